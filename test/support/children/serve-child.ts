// One replica in its own process: the scheduler and the runs as `serve` composes them, with a short lease. It prints
// "ready", "ran <slot> <account> <status>" after each run, and "stopped" after SIGTERM. After the line "hold <word>
// <failpoint>", its runs print "holding <word> <slot> <account>" at that point and wait for the line "go on". Run by
// test/support/child.ts.
import { createInterface } from 'node:readline';
import { OperatorError } from '../../../src/errors.ts';
import { createScheduler } from '../../../src/scheduler/scheduler.ts';
import type { LeaseTiming } from '../../../src/sync/claim/lease.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import { slotFacts } from '../../../src/sync/claim/slot-facts.ts';
import { fixedAccounts } from '../world/fixed-accounts.ts';
import { openRunParts, type RunPartsOf } from './run-parts.ts';

export type ServeChild = RunPartsOf & {
  accountIds: string[];
  schedule: string;
  timing: LeaseTiming;
};

const argument = JSON.parse(process.argv[2] ?? '') as ServeChild;
const { close, ...parts } = openRunParts(argument);
const { pool, logger } = parts;
let hold = { word: '', at: '' };
let release = Promise.withResolvers<void>();
const lines = createInterface({ input: process.stdin }).on('line', (line) => {
  const [order, word = '', at = ''] = line.split(' ');
  hold = order === 'hold' ? { word, at } : { word: '', at: '' };
  if (order === 'hold') return;
  release.resolve();
  release = Promise.withResolvers();
});
const scheduler = createScheduler({
  schedule: argument.schedule,
  timezone: 'UTC',
  accounts: fixedAccounts(argument.accountIds),
  atOnce: 4,
  logger,
  facts: (accountIds, slot) => slotFacts(pool, accountIds, slot, argument.timing),
  async run(request) {
    const whose = `${request.scheduledFor?.toISOString()} ${request.accountId}`;
    const failpoint = async (name: string) => {
      if (name !== hold.at) return;
      process.stdout.write(`holding ${hold.word} ${whose}\n`);
      await release.promise;
    };
    const outcome = await requestSync({ ...parts, timing: argument.timing, failpoint }, request);
    if (outcome.kind === 'ran')
      process.stdout.write(`ran ${whose} ${outcome.result.error?.code ?? 'succeeded'}\n`);
    return outcome;
  },
  timing: { lookMs: 1_000, heldMs: 200, firstTroubleMs: 50, longestTroubleMs: 400, gatherMs: 50 },
  backOff: { firstMs: 100, longestMs: 1_000 },
});
process.once('SIGTERM', () => {
  const reason = new OperatorError({
    code: 'INTERRUPTED',
    happened: 'Stopped',
    means: 'Nothing unfinished was published',
    todo: 'Nothing',
  });
  void scheduler.stop(reason).then(async () => {
    await close();
    lines.close();
    process.stdout.write('stopped\n');
  });
});
scheduler.start();
process.stdout.write('ready\n');
