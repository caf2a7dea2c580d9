// `users`: who is at which level, now or at an earlier time.
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import type { KnownAccount } from '../queries/accounts/known-accounts.ts';
import { listUsers, USER_SORTS, type ListedUser, type UserSort } from '../queries/users/list-users.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { snapshotAt, type SnapshotAt } from '../queries/snapshots/snapshot-at.ts';
import { identitiesDenied } from '../answers/identities-denied.ts';
import { withPersons } from '../terminal/person-lines.ts';
import { duration, plural, shortCount } from '../words.ts';
import { formatOption, wholeNumber } from './options/format.ts';
import { printRows, table, type Cell, type Format } from '../terminal/table.ts';
import { widthOf } from '../terminal/wrap.ts';
import { accountName, beforeHistory, chooseHistories, livingAt } from '../answers/choose-histories.ts';
import { NO_ACCOUNT, withHistory } from './options/with-history.ts';
import { readableTime, timeOf, timezoneOption } from './options/times.ts';
import { localMinute, WHEN_HELP } from '../time/when.ts';
import { wrap } from '../terminal/wrap.ts';

type Options = {
  level: string[];
  sort: UserSort;
  search?: string;
  limit?: number;
  account?: string;
  identities: boolean;
  asOf?: string;
  timezone?: string;
  format: Format;
};

const TABLE_LIMIT = 50;
const PRESENT = ['high', 'medium', 'low'];
const LEVELS = [...PRESENT, 'cleared'];
const UUID_SHAPE = '00000000-0000-0000-0000-000000000000';

type AccountList = {
  account: KnownAccount;
  snapshot: SnapshotAt;
  total: number;
  rows: ListedUser[];
};

export function usersCommand(io: Io): Command {
  return new Command('users')
    .description('users and their risk level: the present ones, worst first')
    .addOption(
      new Option('--level <level>', 'high, medium, low or cleared (repeatable)')
        .argParser(oneMoreLevel)
        .default([], 'high, medium and low'),
    )
    .addOption(new Option('--sort <by>', 'worst, most or newest first').choices(USER_SORTS).default('level'))
    .option('--search <text>', 'ids that begin so; with --identities also emails and names that hold it')
    .option(
      '--limit <n>',
      `how many of an account (default: ${TABLE_LIMIT} in a table, all as JSON or CSV)`,
      wholeNumber(1, 10_000_000),
    )
    .option('--account <id>', 'only this account')
    .option('--identities', 'show email and name, and search them', false)
    .option('--as-of <when>', `who was present at an earlier time: ${WHEN_HELP}`, readableTime)
    .addOption(timezoneOption('of times without an offset, and where days begin'))
    .addOption(formatOption())
    .addHelpText(
      'after',
      `
  zt-risk-sync users --level high --sort since
  zt-risk-sync users --search ada@example.com --identities
  zt-risk-sync users --as-of yesterday --level high --format csv > high.csv
  zt-risk-sync users --level cleared --sort since --limit 10`,
    )
    .action((options: Options) => {
      if (options.asOf !== undefined && options.level.includes('cleared')) throw asOfCleared();
      return withHistory(io, (pool, config) =>
        printUsers(io, pool, { ...options, timezone: options.timezone ?? config.sync.timezone }),
      );
    });
}

function oneMoreLevel(text: string, levels: string[]): string[] {
  if (!LEVELS.includes(text)) throw new InvalidArgumentError(`Allowed choices are ${LEVELS.join(', ')}.`);
  return [...levels, text];
}

async function printUsers(io: Io, pool: Pool, options: Options & { timezone: string }): Promise<void> {
  const { format, identities, timezone } = options;
  const search = searchOf(options.search, identities);
  if (identities && !(await mayRead(pool)).identities)
    throw identitiesDenied('Users can be listed without them', 'Leave --identities out');
  const now = await databaseNow(pool);
  const at = options.asOf === undefined ? now : timeOf('--as-of', options.asOf, { now, timezone });
  const known = await chooseHistories(pool, options.account);
  const accounts = livingAt(known, at, options.account);
  const lists: AccountList[] = [];
  const without: KnownAccount[] = [];
  for (const account of accounts) {
    const snapshot = await snapshotAt(pool, account.account_key, at);
    if (snapshot === null) {
      without.push(account);
      continue;
    }
    const { account_key, account_id } = account;
    const limit = options.limit ?? (format === 'table' ? TABLE_LIMIT : null);
    const listed = await listUsers(pool, {
      account_key,
      account_id,
      levels: (options.level.length === 0 ? PRESENT : options.level).map((level) =>
        level === 'cleared' ? null : level,
      ),
      ...search,
      identities,
      sort: options.sort,
      limit,
      asOf: options.asOf === undefined ? null : snapshot.observed_at.toISOString(),
    });
    lists.push({ account, snapshot, ...listed });
  }
  if (lists.length === 0 && options.asOf !== undefined && accounts.length > 0)
    throw beforeHistory('--as-of', at, accounts);
  if (lists.length > 0)
    for (const account of without)
      io.stderr.write(`account ${accountName(account)}: no snapshot at or before ${at.toISOString()}\n`);
  if (format !== 'table') return printAll(io, lists, options);
  if (known.length === 0) io.stdout.write(NO_ACCOUNT);
  else if (accounts.length === 0)
    io.stdout.write('Every account is retired. Name one with --account to see its last state.\n');
  else if (lists.length === 0) io.stdout.write('There is no snapshot yet. Make one: zt-risk-sync sync\n');
  const blocks = lists.map((list) => blockOf(list, { ...options, at, isWide: widthOf(io) >= WIDE }));
  io.stdout.write(blocks.join('\n'));
}

/** What an id may be, and what an email or a name may hold. Throws SEARCH_NEEDS_IDENTITIES. */
function searchOf(
  text: string | undefined,
  identities: boolean,
): { idRange: [string, string] | null; text: string | null } {
  if (text === undefined || text === '') return { idRange: null, text: null };
  const digits = text.toLowerCase().replaceAll('-', '');
  const isId =
    /^[0-9a-f-]{1,36}$/i.test(text) &&
    digits !== '' &&
    UUID_SHAPE.startsWith(text.replace(/[0-9a-f]/gi, '0'));
  if (!isId && !identities) {
    throw new OperatorError({
      code: 'SEARCH_NEEDS_IDENTITIES',
      exit: EXIT.usage,
      happened: 'What --search was given is not how a user id begins',
      means: 'Emails and names are looked at only where they are asked for',
      todo: 'Add --identities, or give the beginning of a user id',
    });
  }
  const uuid = (fill: string) =>
    digits.padEnd(32, fill).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { idRange: isId ? [uuid('0'), uuid('f')] : null, text: identities ? text : null };
}

function asOfCleared(): OperatorError {
  return new OperatorError({
    code: 'AS_OF_CLEARED',
    exit: EXIT.usage,
    happened: '--as-of was asked for cleared users',
    means: 'At an earlier time the users who were present then are known',
    todo: 'Leave --level cleared out; who was cleared since then: `zt-risk-sync diff`',
  });
}

const COLUMNS = [
  'account_id',
  'user_id',
  'max_risk_level',
  'event_count',
  'last_event',
  'level_since',
  'first_seen_at',
  'absent_since',
  'cleared_at',
  'is_present',
  'snapshot_id',
  'observed_at',
];

function printAll(io: Io, lists: readonly AccountList[], { format, identities }: Options): void {
  const columns = identities ? [...COLUMNS, 'email', 'name'] : COLUMNS;
  const rows = lists.flatMap(({ account, rows }) =>
    rows.map((user): Cell[] => [
      account.account_id,
      user.user_id,
      user.max_risk_level,
      user.event_count,
      user.last_event,
      user.level_since,
      user.first_seen_at,
      user.absent_since,
      user.cleared_at,
      user.max_risk_level !== null,
      user.snapshot_id,
      user.observed_at,
      ...(identities ? [user.email, user.name] : []),
    ]),
  );
  printRows(
    io.stdout,
    format,
    columns.map((name) => ({ name })),
    rows,
  );
}

// With times instead of spans a line has 90 columns.
const WIDE = 100;

type TableOptions = Options & { timezone: string; at: Date; isWide: boolean };

function blockOf({ account, snapshot, total, rows }: AccountList, options: TableOptions): string {
  const { timezone, at, isWide, identities } = options;
  const seen = `snapshot ${snapshot.snapshot_id} of ${localMinute(snapshot.observed_at, timezone)} (${timezone})`;
  const age =
    options.asOf === undefined ? `, ${duration(at.getTime() - snapshot.observed_at.getTime())} ago` : '';
  const head = `account ${accountName(account)}\n${seen}${age}${snapshot.verdict === 'partial' ? ', partial' : ''}\n`;
  if (rows.length === 0) return `${head}\n${nobody(options)}\n`;
  const columns = [
    { name: 'user_id' },
    { name: 'level' },
    { name: isWide ? 'since' : 'for', right: !isWide },
    { name: 'events', right: true },
    { name: 'last event', right: !isWide },
  ];
  const span = (time: string) => at.getTime() - Date.parse(time);
  const moment = (time: string, ago = '') =>
    isWide ? localMinute(time, timezone) : span(time) < 0 ? 'to come' : `${duration(span(time))}${ago}`;
  const lines = table(
    columns,
    rows.map((user) => [
      user.user_id,
      `${user.max_risk_level ?? 'cleared'}${user.absent_since === null ? '' : '*'}`,
      moment(user.level_since ?? user.cleared_at ?? user.first_seen_at),
      shortCount(user.event_count),
      moment(user.last_event, ' ago'),
    ]),
  );
  const foot = [
    `${plural(total, 'user')}${total > rows.length ? `, ${rows.length.toLocaleString('en-US')} of them shown (--limit, or --format csv for all)` : ''}.`,
    ...(rows.some((user) => user.absent_since !== null)
      ? ['* not met by the newest walk; present until it is known that they were cleared.']
      : []),
  ];
  return `${head}\n${identities ? withPersons(lines, rows) : lines}\n\n${foot.join('\n')}\n`;
}

function nobody({ level, search, identities }: Options): string {
  const levels = level.length === 0 ? '' : ` at ${level.join(' or ')}`;
  const others = level.includes('cleared') ? '' : ' Cleared ones are listed with --level cleared.';
  if (search === undefined || search === '') return `No user${levels}.${others}`;
  const looked = identities ? 'id, current email or name' : 'id (emails and names: --identities)';
  return wrap(`No user${levels} with such an ${looked}.${others}`);
}
