// One run in its own process. It prints "ready", waits for a line, and runs. It prints "at <failpoint>" at each
// failpoint, and waits for a line at those in `stopAt`. At the end it prints "ended {kind, error_code, snapshot_id}".
// Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { LEASE_TIMING, type LeaseTiming } from '../../../src/sync/claim/lease.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import { openRunParts, type RunPartsOf } from './run-parts.ts';

export type SyncChild = RunPartsOf & {
  accountId: string;
  stopAt: string[];
  timing?: LeaseTiming;
  timeBudgetMs?: number;
};

const argument = JSON.parse(process.argv[2] ?? '') as SyncChild;
const stopAt = new Set(argument.stopAt);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (line: string) => process.stdout.write(`${line}\n`);
const { close, settings, ...parts } = openRunParts(argument);

say('ready');
await lines.next();
const outcome = await requestSync(
  {
    ...parts,
    settings: {
      ...settings,
      ...(argument.timeBudgetMs === undefined ? {} : { timeBudgetMs: argument.timeBudgetMs }),
    },
    timing: argument.timing ?? LEASE_TIMING,
    async failpoint(name) {
      say(`at ${name}`);
      // Once only: after a lost connection, the repeated work reaches the same place again.
      if (stopAt.delete(name)) await lines.next();
    },
  },
  { accountId: argument.accountId, trigger: 'cli', signal: new AbortController().signal },
);
const result = outcome.kind === 'ran' ? outcome.result : null;
say(
  `ended ${JSON.stringify({
    kind: outcome.kind,
    error_code: result?.error?.code ?? null,
    snapshot_id: result?.published?.snapshotId ?? null,
  })}`,
);
await close();
process.exit(0);
