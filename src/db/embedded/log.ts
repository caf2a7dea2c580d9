// The server's log file: limits its size, and reads its last lines for the error that quotes them.
import type { FileHandle } from 'node:fs/promises';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import type { EmbeddedLayout } from './layout.ts';

const logLimitBytes = 4 * 1024 * 1024;

/** Opens the log for appending, so that it can be truncated while the server writes to it. */
export async function openLog(layout: EmbeddedLayout): Promise<FileHandle> {
  await trimLog(layout);
  return open(layout.logFile, 'a', 0o600);
}

/** Empties a log above 4 MB. The file `.1` keeps its text. */
export async function trimLog(layout: EmbeddedLayout): Promise<void> {
  const size = await stat(layout.logFile).then(
    (file) => file.size,
    () => 0,
  );
  if (size <= logLimitBytes) return;
  const log = await open(layout.logFile, 'r+');
  try {
    await writeFile(`${layout.logFile}.1`, await log.readFile(), { mode: 0o600 });
    await log.truncate(0);
  } finally {
    await log.close();
  }
}

export async function logTail(layout: EmbeddedLayout): Promise<string> {
  return lastLines(await readFile(layout.logFile, 'utf8').catch(() => ''));
}

export function lastLines(text: string, count = 8): string {
  return text.trim().split('\n').slice(-count).join(' | ');
}
