// The files that a command names, and the standard input.
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { savedError, type SavedFile } from './saved-file.ts';

export type OpenFiles = { files: readonly SavedFile[]; close(): Promise<void> };

const STANDARD_INPUT = '-';

/** Throws IMPORT_OPTIONS (exit 64), or signal.reason. */
export async function openFiles(
  names: readonly string[],
  options: { at: string | null; stdin: Readable & { isTTY?: boolean }; signal: AbortSignal },
): Promise<OpenFiles> {
  const piped = names.filter((name) => name === STANDARD_INPUT).length;
  if (piped === 0) return { files: names.map(fileOf), close: async () => undefined };
  refuseInput(piped, options);
  const kept = await keep(options);
  const file: SavedFile = { name: 'the standard input', open: () => readAgain(kept) };
  return {
    files: names.map((name) => (name === STANDARD_INPUT ? file : fileOf(name))),
    close: () => kept.close(),
  };
}

function fileOf(name: string): SavedFile {
  return { name, open: () => createReadStream(name) };
}

function refuseInput(piped: number, { at, stdin }: { at: string | null; stdin: { isTTY?: boolean } }): void {
  const wrong =
    piped > 1
      ? (['"-" was given more than once', 'The standard input can be read once: give - once'] as const)
      : at === null
        ? ([
            '"-" was given without --at',
            'The standard input has no name that tells its time: add --at',
          ] as const)
        : stdin.isTTY === true
          ? ([
              '"-" was given, and nothing is piped into this command',
              'Pipe a saved answer into it',
            ] as const)
          : null;
  if (wrong !== null) throw savedError('IMPORT_OPTIONS', wrong[0], wrong[1]);
}

/**
 * Each file is read twice: first checked, then imported. So the input is kept in a file without a name: it holds
 * personal data, and must not outlive this process.
 */
async function keep({ stdin, signal }: { stdin: Readable; signal: AbortSignal }): Promise<FileHandle> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-input-'));
  try {
    const kept = await open(path.join(folder, 'input'), 'wx+', 0o600);
    await rm(folder, { recursive: true });
    await kept.writeFile(addAbortSignal(signal, stdin));
    return kept;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function readAgain(kept: FileHandle): AsyncIterable<Uint8Array> {
  return kept.createReadStream({ start: 0, autoClose: false });
}
