// Lists of users: a block of lines per account, or a row per user as JSON or CSV.
import { accountName, NO_ACCOUNT } from '../answers/choose-histories.ts';
import type { UserList, UserLists } from '../answers/user-lists.ts';
import { localMinute } from '../time/when.ts';
import { duration, plural, shortCount } from '../words.ts';
import { withPersons } from './person-lines.ts';
import { printRows, table, type Cell, type Format } from './table.ts';
import { widthOf, wrap, type Terminal } from './wrap.ts';

type UsersIo = Terminal & { stdout: NodeJS.WritableStream; stderr: { write(text: string): unknown } };
export type UserPrintOptions = {
  format: Format;
  timezone: string;
  identities: boolean;
  level: readonly string[];
  search?: string;
  /** Whether the lists show the current state: then their age is printed. */
  isNow: boolean;
};

export function printUsers(io: UsersIo, found: UserLists, options: UserPrintOptions): void {
  const { lists, without, known, accounts, at } = found;
  if (lists.length > 0)
    for (const account of without)
      io.stderr.write(`account ${accountName(account)}: no snapshot at or before ${at.toISOString()}\n`);
  if (options.format !== 'table') return printAll(io.stdout, lists, options);
  if (known.length === 0) io.stdout.write(NO_ACCOUNT);
  else if (accounts.length === 0)
    io.stdout.write('Every account is retired. Name one with --account to see its last state.\n');
  else if (lists.length === 0) io.stdout.write('There is no snapshot yet. Make one: zt-risk-sync sync\n');
  const blocks = lists.map((list) => blockOf(list, { ...options, at, isWide: widthOf(io) >= WIDE }));
  io.stdout.write(blocks.join('\n'));
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

function printAll(
  out: NodeJS.WritableStream,
  lists: readonly UserList[],
  { format, identities }: UserPrintOptions,
): void {
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
    out,
    format,
    columns.map((name) => ({ name })),
    rows,
  );
}

// From this width on, times are shown instead of spans: a line then has 90 columns.
const WIDE = 100;

function blockOf(
  { account, snapshot, total, rows }: UserList,
  options: UserPrintOptions & { at: Date; isWide: boolean },
): string {
  const { timezone, at, isWide, identities } = options;
  const seen = `snapshot ${snapshot.snapshot_id} of ${localMinute(snapshot.observed_at, timezone)} (${timezone})`;
  const age = options.isNow ? `, ${duration(at.getTime() - snapshot.observed_at.getTime())} ago` : '';
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
    isWide ? localMinute(time, timezone) : span(time) < 0 ? 'future' : `${duration(span(time))}${ago}`;
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
      ? ['* not met by the newest walk; counts as present until cleared.']
      : []),
  ];
  return `${head}\n${identities ? withPersons(lines, rows) : lines}\n\n${foot.join('\n')}\n`;
}

function nobody({ level, search, identities }: UserPrintOptions): string {
  const levels = level.length === 0 ? '' : ` at ${level.join(' or ')}`;
  const others = level.includes('cleared') ? '' : ' To list cleared users: --level cleared.';
  if (search === undefined || search === '') return `No user${levels}.${others}`;
  const looked = identities
    ? 'id, current email or name'
    : 'id (add --identities to search emails and names)';
  return wrap(`No user${levels} has a matching ${looked}.${others}`);
}
