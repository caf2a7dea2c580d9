// A copy of a history in its own process, which a test can kill. Before each step it prints the step, and waits for a
// line. Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { readHistory } from '../../../src/move/read-history.ts';
import { writeHistory } from '../../../src/move/write-history.ts';

export type MoveChild = { sourceUrl: string; targetUrl: string };

const { sourceUrl, targetUrl } = JSON.parse(process.argv[2] ?? '') as MoveChild;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const open = (url: string) => createPool({ url, logger: { warn() {} } });
const deps = { signal: new AbortController().signal, onProgress: () => undefined };
await readHistory({ ...deps, pool: open(sourceUrl) }, (history) =>
  writeHistory(
    {
      ...deps,
      pool: open(targetUrl),
      async beforeStep(table) {
        process.stdout.write(`at ${table ?? 'commit'}\n`);
        await lines.next();
      },
    },
    history,
  ),
);
process.stdout.write('done\n');
process.exit();
