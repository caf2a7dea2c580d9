// Progress of an export, and what it has written.
import type { Exported } from '../../export/export-datasets.ts';
import type { FeedExported } from '../../export/export-feed.ts';
import { dataSize, plural } from '../../words.ts';

type Stream = NodeJS.WritableStream & { isTTY?: boolean };

export type ExportProgress = { to(dataset: string, bytes: number): void; end(): void };

const SHOW_EVERY_MS = 200;

/** Nothing is known about the end: how many rows there are is not counted before. Silent unless on a terminal. */
export function exportProgress(stderr: Stream | null): ExportProgress {
  let shownAt = -Infinity;
  if (stderr?.isTTY !== true) return { to: () => undefined, end: () => undefined };
  return {
    to(dataset, bytes) {
      const now = performance.now();
      if (now - shownAt < SHOW_EVERY_MS) return;
      shownAt = now;
      stderr.write(`\r\u001b[K${dataset}: ${dataSize(bytes)}`);
    },
    end() {
      if (shownAt > 0) stderr.write('\r\u001b[K');
    },
  };
}

/** Sizes are those before compression. */
export function printExported(out: Stream, { feed, written }: Exported, goOn: boolean): void {
  for (const { dataset, rows, bytes, output } of written)
    out.write(
      `${dataset}: ${plural(rows, 'row')}, ${dataSize(bytes)}${output.name === '-' ? '' : ` in ${output.name}`}\n`,
    );
  if (goOn) out.write(`Watermark ${feed.feedId}. The next time, only what is new: --after ${feed.feedId}\n`);
}

export function printFeed(out: Stream, { feed, written, unfinished }: FeedExported, stateFile: string): void {
  for (const name of unfinished)
    out.write(
      `Unfinished, because an earlier call was interrupted: ${name}. It was removed, and its rows are written again\n`,
    );
  for (const { dataset, rows, bytes, file } of written)
    out.write(`${dataset}: ${plural(rows, 'row')}, ${dataSize(bytes)} in ${file}\n`);
  if (written.length === 0) out.write('Nothing is new\n');
  out.write(`Watermark ${feed.feedId}, kept in ${stateFile}: the next call goes on from there\n`);
}
