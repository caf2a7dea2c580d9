// Lists of users: a block of lines per account, or a row per user as JSON or CSV.
import { NO_ACCOUNT } from '../../answers/choose-histories.ts';
import { searchLimits } from '../../answers/pii-key-needed.ts';
import { accountName } from '../../answers/resolve-accounts.ts';
import type { UserList, UserLists } from '../../answers/user-lists.ts';
import { localMinute } from '../../time/when.ts';
import { duration, plural, shortCount } from '../../words.ts';
import { paintLevel } from '../colour.ts';
import { personTable } from './person-lines.ts';
import { printRows, table, type Cell, type Column, type OutputFormat } from '../table.ts';
import { viewOf, type View } from '../view.ts';
import { wrap, type Terminal } from '../wrap.ts';
import { IDENTITY_FIELDS } from '../../user-risk.ts';

type UsersIo = Terminal & { stdout: NodeJS.WritableStream; stderr: { write(text: string): unknown } };
export type UserPrintOptions = {
  format: OutputFormat;
  timezone: string;
  identities: boolean;
  level: readonly string[];
  search?: string;
  /** Whether the lists show the current state. If so, their age is printed. */
  isNow: boolean;
};

export function printUsers(io: UsersIo, found: UserLists, options: UserPrintOptions): void {
  const { lists, without, known, accounts, at } = found;
  const view = viewOf(io, options.timezone);
  const early = options.isNow ? 'yet' : `at or before ${view.time(at)}`;
  if (lists.length > 0)
    for (const account of without)
      io.stderr.write(view.notice(`account ${accountName(account)}: no snapshot ${early}`));
  const limits = searchLimits(found.met);
  if (limits !== null) io.stderr.write(view.notice(limits));
  if (options.format !== 'table') return printAll(io.stdout, lists, options);
  if (known.length === 0) io.stdout.write(NO_ACCOUNT);
  else if (accounts.length === 0)
    io.stdout.write('Every account is retired. Name one with --account to see its last state.\n');
  else if (lists.length === 0) io.stdout.write('There is no snapshot yet. Make one: zt-risk-sync sync\n');
  const blocks = lists.map((list) => blockOf(list, { ...options, at }, view));
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
  'is_account_retired',
  'snapshot_id',
  'observed_at',
  'erased_at',
];

function printAll(
  out: NodeJS.WritableStream,
  lists: readonly UserList[],
  { format, identities }: UserPrintOptions,
): void {
  const columns = identities ? [...COLUMNS, ...IDENTITY_FIELDS] : COLUMNS;
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
      account.retired_at !== null,
      user.snapshot_id,
      user.observed_at,
      user.erased_at,
      ...(identities ? IDENTITY_FIELDS.map((field) => user[field]) : []),
    ]),
  );
  printRows(
    out,
    format,
    columns.map((name) => ({ name })),
    rows,
  );
}

// With this width or more, times are shown instead of ages: a line then has 90 columns.
const WIDE = 100;

function blockOf(
  { account, snapshot, total, rows }: UserList,
  options: UserPrintOptions & { at: Date },
  view: View,
): string {
  const { at, identities } = options;
  const seen = `snapshot ${snapshot.snapshot_id} of ${view.time(snapshot.observed_at)}`;
  const age = options.isNow ? `, ${duration(at.getTime() - snapshot.observed_at.getTime())} ago` : '';
  const partial = snapshot.verdict === 'partial' ? ', partial' : '';
  const head = `account ${accountName(account)}\n${seen}${age}${partial}\n`;
  if (rows.length === 0) return `${head}\n${wrap(nobody(options), 0, view.textWidth)}\n`;
  const isWide = view.width >= WIDE;
  const columns = columnsOf(isWide, view);
  const span = (time: string) => at.getTime() - Date.parse(time);
  const moment = (time: string, ago = '') =>
    isWide ? localMinute(time, view.timezone) : span(time) < 0 ? 'future' : `${duration(span(time))}${ago}`;
  const rowOf = (user: UserList['rows'][number]): Cell[] => [
    user.user_id,
    `${user.max_risk_level ?? 'cleared'}${user.absent_since === null ? '' : '*'}`,
    moment(user.level_since ?? user.cleared_at ?? user.first_seen_at),
    shortCount(user.event_count),
    moment(user.last_event, ' ago'),
    localMinute(user.first_seen_at, view.timezone),
  ];
  const lines = identities
    ? personTable(columns, rows, (index) => rowOf(rows[index]!), view.width)
    : table(columns, rows.map(rowOf), view.width);
  const more =
    total > rows.length
      ? `, ${rows.length.toLocaleString('en-US')} of them shown (--limit, or --format csv for all)`
      : '';
  const foot = [
    `${plural(total, 'user')}${more}.`,
    ...(rows.some((user) => user.absent_since !== null)
      ? ['* not met by the newest walk; counts as present until cleared.']
      : []),
    ...(isWide ? [`Times are in ${view.timezone}.`] : []),
  ];
  return `${head}\n${lines}\n\n${foot.join('\n')}\n`;
}

function columnsOf(isWide: boolean, { paint }: View): Column[] {
  return [
    { name: 'user_id' },
    { name: 'level', paint: paintLevel(paint) },
    { name: isWide ? 'since' : 'for', right: !isWide },
    { name: 'events', right: true },
    { name: 'last event', right: !isWide },
    { name: 'first seen', extra: true },
  ];
}

function nobody({ level, search, identities }: UserPrintOptions): string {
  const levels = level.length === 0 ? '' : ` at ${level.join(' or ')}`;
  const others = level.includes('cleared') ? '' : ' To list cleared users: --level cleared.';
  if (search === undefined || search === '') return `No user${levels}.${others}`;
  const looked = identities
    ? 'id, current email or name'
    : 'id (add --identities to search emails and names)';
  return `No user${levels} has a matching ${looked}.${others}`;
}
