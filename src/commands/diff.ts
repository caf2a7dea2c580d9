// `diff <from> <to>`: users who appeared, were raised, returned, were lowered or cleared between two times.
import { differenceOf, type Difference } from '../answers/difference.ts';
import { Command } from 'commander';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { OperatorError } from '../errors.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { findSnapshot } from '../queries/snapshots/find-snapshot.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { blockOf, inBetween, printAll } from '../terminal/print/print-diff.ts';
import { plain } from '../terminal/colour.ts';
import { viewOf } from '../terminal/view.ts';
import type { Change } from '../user-risk.ts';
import { identitiesDenied } from '../answers/identities-denied.ts';
import { accountOption } from './options/accounts.ts';
import { formatOption, limitOption } from './options/format.ts';
import { changeOption, LEVELS, repeatable } from './options/levels.ts';
import type { Format } from '../terminal/table.ts';
import { beforeHistory, chooseHistories, livingAt, NO_ACCOUNT } from '../answers/choose-histories.ts';
import { accountName } from '../answers/resolve-accounts.ts';
import { withHistory } from './options/with-history.ts';
import { inOrder, readableTimeOrSnapshot, timeOf, timezoneOption } from './options/times.ts';
import { parseWhen, WHEN_HELP } from '../time/when.ts';
import { wrap } from '../terminal/wrap.ts';

type Options = {
  level: string[];
  change: Change[];
  account: string[];
  limit?: number;
  identities: boolean;
  timezone?: string;
  format: Format;
};
type Clock = { now: Date; timezone: string };
/** `accountKey`: the account of the snapshot that was named. */
type Moment = { at: Date; accountKey: number | null };

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
  const from = await momentOf(pool, '<from>', fromText, clock, known);
  const to = await momentOf(pool, '<to>', toText, clock, known);
  inOrder(['<from>', from.at], ['<to>', to.at]);
  const accounts = accountsOf(livingAt(known, from.at, options.account), from, to, known);
  const found: Difference[] = [];
  const without: KnownAccount[] = [];
  for (const account of accounts) {
    const difference = await differenceOf(pool, account, from.at, to.at, options);
    if (difference === null) without.push(account);
    else found.push(difference);
  }
  if (found.length === 0 && accounts.length > 0) throw beforeHistory('<from>', from.at, accounts);
  for (const account of without)
    io.stderr.write(
      view.notice(`account ${accountName(account)}: no snapshot at or before ${view.time(from.at)}`),
    );
  const limit = options.limit ?? (format === 'table' ? TABLE_LIMIT : Number.POSITIVE_INFINITY);
  if (format !== 'table') {
    printAll(io.stdout, found, { format, identities, limit });
    // Where nothing differs, there is no row that could carry the number.
    for (const { account, between } of found)
      for (const line of inBetween(between, { paint: plain }))
        io.stderr.write(`account ${accountName(account)}: ${line}\n`);
    return;
  }
  if (accounts.length === 0)
    io.stdout.write(
      'Every account was retired by then. Name one with --account to compare its last states.\n',
    );
  const asked = { from: from.at, to: to.at };
  io.stdout.write(found.map((one) => blockOf(one, asked, { ...options, limit }, view)).join('\n'));
}

async function momentOf(
  pool: Pool,
  name: string,
  text: string,
  clock: Clock,
  known: readonly KnownAccount[],
): Promise<Moment> {
  const when = parseWhen(text, clock);
  if (when?.kind !== 'snapshot') return { at: timeOf(name, text, clock), accountKey: null };
  const snapshot = await findSnapshot(pool, when.id);
  if (snapshot === null || known.every(({ account_key }) => account_key !== snapshot.account_key)) {
    throw new OperatorError({
      code: 'SNAPSHOT_NOT_FOUND',
      happened: `There is no snapshot ${when.id}${snapshot === null ? '' : ' of this account'}`,
      means:
        'Some numbers have no snapshot: runs that publish nothing use numbers up, and pruning removes old snapshots',
      todo: '`zt-risk-sync status --format json` shows the snapshot of each run; or give a time instead',
    });
  }
  return { at: snapshot.observed_at, accountKey: snapshot.account_key };
}

/** A named snapshot narrows the comparison to its account. */
function accountsOf(
  living: readonly KnownAccount[],
  from: Moment,
  to: Moment,
  known: readonly KnownAccount[],
): readonly KnownAccount[] {
  const key = from.accountKey ?? to.accountKey;
  if (key === null) return living;
  if (to.accountKey !== null && to.accountKey !== key) {
    throw new OperatorError({
      code: 'SNAPSHOTS_UNRELATED',
      happened: 'The two snapshots belong to different accounts',
      means: 'Users of different accounts cannot be compared',
      todo: 'Give two snapshots of one account, or times',
    });
  }
  return known.filter((account) => account.account_key === key);
}
