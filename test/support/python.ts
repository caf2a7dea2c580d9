// Python programs that check a document by its own standard. They run where they are installed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** ZT_PYTHON names a Python that has the package; otherwise the one on the PATH is asked. */
const PYTHON = process.env['ZT_PYTHON'] ?? 'python3';

/** What to say when the modules are missing; null: they are there. */
export async function missingPython(modules: readonly string[], packages: string): Promise<string | null> {
  const asked = modules.map((name) => `import ${name}`).join('; ');
  const found = await run(PYTHON, ['-c', asked]).then(
    () => true,
    () => false,
  );
  return found ? null : `no Python with ${packages}: set ZT_PYTHON to one (pip install ${packages})`;
}

/** What the script prints. Rejects with what it prints when it fails. */
export async function runPython(script: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(PYTHON, ['-c', script, ...args], { maxBuffer: 1e8 }).catch(
    (error: { stdout?: string; stderr?: string }) => {
      throw new Error(`${error.stdout ?? ''}${error.stderr ?? String(error)}`);
    },
  );
  return stdout;
}
