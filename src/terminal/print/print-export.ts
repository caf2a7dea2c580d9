// Progress of an export, and a summary of what it wrote.
import type { Exported, Written } from '../../export/export-datasets.ts';
import type { FeedExported } from '../../export/export-feed.ts';
import type { Feed } from '../../export/read-clocks.ts';
import { dataSize, plural } from '../../words.ts';

type Stream = NodeJS.WritableStream & { isTTY?: boolean };

export type ExportProgress = { to(dataset: string, bytes: number): void; end(): void };

const SHOW_EVERY_MS = 200;

/** The end is unknown, because rows are not counted in advance. Silent unless on a terminal. */
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
      `${dataset}: ${plural(rows, 'row')}, ${dataSize(bytes)}${output.name === '-' ? '' : place(output)}\n`,
    );
  if (goOn) out.write(watermarks(feed));
}

export function printFeed(out: Stream, { feed, written, unfinished }: FeedExported, stateFile: string): void {
  for (const name of unfinished)
    out.write(
      `Unfinished, because an earlier call was interrupted: ${name}. It was removed, and its rows are written again\n`,
    );
  for (const { dataset, rows, bytes, output } of written)
    out.write(`${dataset}: ${plural(rows, 'row')}, ${dataSize(bytes)}${place(output)}\n`);
  if (written.length === 0) out.write('Nothing is new\n');
  const one = clockOfAll(feed);
  const kept =
    one === undefined ? `Watermarks of ${plural(feed.length, 'account')}` : `Watermark ${one.feedId}`;
  out.write(`${kept}, kept in ${stateFile}: the next call continues from there\n`);
}

/** In a distributed history, each account has its own watermark. */
function watermarks(feed: Feed): string {
  const one = clockOfAll(feed);
  if (one !== undefined)
    return `Watermark ${one.feedId}. The next time, only what is new: --after ${one.feedId}\n`;
  const lines = feed.map(({ accountId, feedId }) => `Watermark of account ${accountId}: ${feedId}\n`);
  return `${lines.join('')}The next time, only what is new: --account <id> --after <its watermark>, or --state\n`;
}

/** " in lake/levels (12 files)" */
function place(output: Written['output']): string {
  const count = 'files' in output ? ` (${plural(output.files().length, 'file')})` : '';
  return ` in ${output.name}${count}`;
}

/** Undefined in a distributed history. */
function clockOfAll(feed: Feed): Feed[number] | undefined {
  return feed.find(({ accountId }) => accountId === null);
}
