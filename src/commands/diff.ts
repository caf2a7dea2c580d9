// `diff <from> <to>`: users who appeared, were raised, returned, were lowered or cleared between two times.
import { differenceOf, type Difference } from '../answers/difference.ts';
import { Command } from 'commander';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { diffBlock, inBetween, printAll } from '../terminal/print/print-diff.ts';
import { plain } from '../terminal/colour.ts';
import { viewOf } from '../terminal/view.ts';
import type { Change } from '../user-risk.ts';
import { identitiesDenied } from '../answers/identities-denied.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, limitOption } from './options/format.ts';
import { momentsOf } from './options/moments.ts';
import { changeOption, LEVELS, repeatable } from './options/levels.ts';
import type { OutputFormat } from '../terminal/table.ts';
import { beforeHistory, chooseHistories, livingAt, NO_ACCOUNT } from '../answers/choose-histories.ts';
import { accountName } from '../answers/resolve-accounts.ts';
import { withHistory } from './options/with-history.ts';
import { requireInOrder, readableTimeOrSnapshot, timezoneOption } from './options/times.ts';
import { WHEN_HELP } from '../time/when.ts';
import { wrap } from '../terminal/wrap.ts';

type Options = {
  level: string[];
  change: Change[];
  account: string[];
  limit?: number;
  identities: boolean;
  timezone?: string;
  format: OutputFormat;
};

const TABLE_LIMIT = 50;

export function diffCommand(io: Io): Command {
  return new Command('diff')
    .description('users who appeared, were raised, returned, were lowered or cleared between two times')
    .argument('<from>', 'a time or the id of a snapshot', readableTimeOrSnapshot)
    .argument('[to]', 'the later time or snapshot', readableTimeOrSnapshot, 'now')
    .addOption(repeatable('--level <level>', 'only users at this level at one of the two times', LEVELS))
    .addOption(changeOption())
    .addOption(accountOption())
    .option('--identities', 'show email and name', false)
    .addOption(limitOption('users', TABLE_LIMIT))
    .addOption(timezoneOption('time zone of all times, and of times without an offset'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
${wrap(`A time is ${WHEN_HELP}.`)}
Compares the newest snapshots at or before the two times. Users who rose and
came back in between do not differ. The answer says how many of them were high
(or at --level): in_between_count in JSON and CSV. \`changes\` lists every change.

  zt-risk-sync diff yesterday          since the start of yesterday
  zt-risk-sync diff yesterday today    what happened yesterday
  zt-risk-sync diff "7d ago" --identities
  zt-risk-sync diff 2026-03-01 2026-04-01 --format csv > march.csv
  zt-risk-sync diff 352 358            between two snapshots; their ids are in
                                       status --format json`,
    )
    .action((from: string, to: string, options: Options) =>
      withHistory(io, (pool, config) =>
        printDifferences(io, pool, [from, to], {
          ...options,
          timezone: options.timezone ?? config.sync.timezone,
        }),
      ),
    );
}

async function printDifferences(
  io: Io,
  pool: Pool,
  [fromText, toText]: readonly [string, string],
  options: Options & { timezone: string },
): Promise<void> {
  const { format, identities } = options;
  if (identities && !(await mayRead(pool)).identities)
    throw identitiesDenied('Users can be listed without them', 'Leave --identities out');
  const view = viewOf(io, options.timezone);
  const clock = { now: await databaseNow(pool), timezone: options.timezone };
  const known = await chooseHistories(pool, options.account);
  if (known.length === 0 && format === 'table') {
    io.stdout.write(NO_ACCOUNT);
    return;
  }
  const asked = [
    { name: '<from>', text: fromText },
    { name: '<to>', text: toText },
  ] as const;
  const { from, to, accountKey } = await momentsOf(pool, asked, clock, known);
  requireInOrder(['<from>', from], ['<to>', to]);
  const accounts =
    accountKey === null
      ? livingAt(known, from, options.account)
      : known.filter((account) => account.account_key === accountKey);
  const found: Difference[] = [];
  const without: KnownAccount[] = [];
  for (const account of accounts) {
    const difference = await differenceOf(pool, account, from, to, options);
    if (difference === null) without.push(account);
    else found.push(difference);
  }
  if (found.length === 0 && accounts.length > 0) throw beforeHistory('<from>', from, accounts);
  for (const account of without)
    io.stderr.write(
      view.notice(`account ${accountName(account)}: no snapshot at or before ${view.time(from)}`),
    );
  const limit = options.limit ?? (format === 'table' ? TABLE_LIMIT : Number.POSITIVE_INFINITY);
  if (format !== 'table') {
    printAll(io.stdout, found, { format, identities, limit });
    // If nothing differs, no row could carry the number.
    for (const { account, between } of found)
      for (const line of inBetween(between, { paint: plain }))
        io.stderr.write(`account ${accountName(account)}: ${line}\n`);
    return;
  }
  if (accounts.length === 0)
    io.stdout.write(
      'Every account was retired by then. Name one with --account to compare its last states.\n',
    );
  io.stdout.write(found.map((one) => diffBlock(one, { from, to }, { ...options, limit }, view)).join('\n'));
}
