// An erasure in its own process, which a test can kill. It prints "stopped" in the transaction of the
// step `stopIn` (from 1), and waits for a line. Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import type { EraseMode } from '../../../src/upkeep/erase/erased-person.ts';
import { erasePerson } from '../../../src/upkeep/erase/erase-person.ts';

export type EraseChild = { databaseUrl: string; userId: string; mode: EraseMode; stopIn: number };

const { databaseUrl, userId, mode, stopIn } = JSON.parse(process.argv[2] ?? '') as EraseChild;
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let step = 0;
await erasePerson(
  {
    pool: createPool({ url: databaseUrl, logger: { warn() {} } }),
    timing: LEASE_TIMING,
    signal: new AbortController().signal,
    onBusy: () => undefined,
    onProgress: () => undefined,
    async failpoint(name) {
      if (name !== 'erasing' || ++step !== stopIn) return;
      process.stdout.write('stopped\n');
      await lines.next();
    },
  },
  { userId, mode, email: null },
);
process.stdout.write('done\n');
process.exit();
