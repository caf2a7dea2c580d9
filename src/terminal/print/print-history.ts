// The history of one person, account by account, as text, JSON or CSV.
import { accountName } from '../../answers/resolve-accounts.ts';
import type { UserHistory } from '../../answers/user-history.ts';
import type { FoundUser } from '../../queries/users/find-users.ts';
import { duration, plural, printable } from '../../words.ts';
import { json, printRows, type Cell, type OutputFormat } from '../table.ts';
import { inWords, iso, walksInWords, type TimelineEvent } from '../../answers/user-timeline.ts';
import { paintLevels } from '../colour.ts';
import { viewOf, type View } from '../view.ts';
import { wrap, type Terminal } from '../wrap.ts';
import { IDENTITY_FIELDS, mapIdentity, type Identity } from '../../user-risk.ts';

type HistoryIo = Terminal & { stdout: NodeJS.WritableStream };

export function printHistories(
  io: HistoryIo,
  histories: readonly UserHistory[],
  options: { identities: boolean; timezone: string; format: OutputFormat },
): void {
  const { identities, format, timezone } = options;
  const out = io.stdout;
  if (format === 'json') out.write(`${json(histories.map((one) => asObject(one, identities)))}\n`);
  else if (format === 'csv') printCsv(out, histories, identities);
  else out.write(histories.map((one) => textOf(one, identities, viewOf(io, timezone))).join('\n'));
}

const EVENT_COLUMNS = [
  'changed_at',
  'change',
  'from_level',
  'to_level',
  'reason',
  'absent_since',
  'last_reset_time',
  'complete_walks',
  'partial_walks',
  'away_seconds',
  'is_baseline',
  'snapshot_id',
  'run_id',
  'renamed',
] as const satisfies readonly (keyof TimelineEvent)[];

const eventColumns = (identities: boolean): (keyof TimelineEvent)[] =>
  identities ? [...EVENT_COLUMNS, ...IDENTITY_FIELDS] : [...EVENT_COLUMNS];

function printCsv(out: NodeJS.WritableStream, histories: readonly UserHistory[], identities: boolean): void {
  const columns = eventColumns(identities);
  const rows = histories.flatMap(({ user, events }) =>
    events.map((event): Cell[] => [user.account_id, user.user_id, ...columns.map((name) => event[name])]),
  );
  printRows(
    out,
    'csv',
    ['account_id', 'user_id', ...columns].map((name) => ({ name })),
    rows,
  );
}

function asObject(history: UserHistory, identities: boolean): Record<string, unknown> {
  const { user, identity, lookup, absentWalks } = history;
  const at = (text: string | null) => (text === null ? null : iso(text));
  return {
    account_id: user.account_id,
    user_id: user.user_id,
    ...(identities ? mapIdentity((field) => identity?.[field] ?? null) : {}),
    is_present: user.max_risk_level !== null,
    max_risk_level: user.max_risk_level,
    level_since: at(user.level_since),
    event_count: user.event_count,
    last_event: user.last_event,
    first_seen_at: at(user.first_seen_at),
    absent_since: at(user.absent_since),
    absent_complete_walks: absentWalks?.complete ?? null,
    absent_partial_walks: absentWalks?.partial ?? null,
    cleared_at: at(user.cleared_at),
    erased_at: at(user.erased_at),
    last_lookup:
      lookup === null
        ? null
        : { asked_at: iso(lookup.asked_at), outcome: lookup.outcome, run_id: lookup.run_id },
    events: history.events.map((event) =>
      Object.fromEntries(eventColumns(identities).map((name) => [name, event[name]])),
    ),
    events_left_out: history.leftOut,
    whole_since: Object.fromEntries(history.whole.map(({ part, since }) => [part, since.toISOString()])),
  };
}

const TOLD: Partial<Record<string, string>> = { levels: 'Levels', identities: 'Emails and names' };

const INDENT = 9;

function textOf(history: UserHistory, identities: boolean, view: View): string {
  const { user, identity, events } = history;
  const line = (name: string, text: string) =>
    `${name.padEnd(INDENT)}${wrap(printable(text), INDENT, view.textWidth)}`;
  const lines = [line('user', user.user_id), line('account', accountName(user))];
  if (user.erased_at !== null)
    lines.push(line('erased', `at ${view.time(user.erased_at)}: this id replaces the id of the person`));
  else if (identities) lines.push(line('known as', person(identity)));
  lines.push('');
  if (history.leftOut) lines.push('Earlier events are left out (--limit).');
  for (const { part, since } of history.whole)
    if (TOLD[part] !== undefined)
      lines.push(`${TOLD[part]} before ${view.time(since)} may have been deleted (prune).`);
  lines.push(...events.map((event) => eventLine(event, identities, view)), '');
  lines.push(paintLevels(view.paint, line('now', now(user, view))));
  if (user.absent_since !== null) lines.push(line('', absence(history, user.absent_since, view)));
  if (!history.may.identities && events.some((event) => event.change === 'renamed'))
    lines.push(line('', 'This database role may see only the newest change of email or name.'));
  return `${lines.join('\n')}\n`;
}

function eventLine(event: TimelineEvent, identities: boolean, view: View): string {
  const when = `${view.time(event.changed_at)}  `;
  const words = inWords(event, view.time);
  if (event.change === 'renamed') {
    const who = identities ? `, now ${person(event)}` : '';
    return `${when}${wrap(printable(`${words}${who}`), when.length, view.width)}`;
  }
  return `${when}${paintLevels(view.paint, wrap(words, when.length, view.width))}`;
}

function now(user: FoundUser, { time }: View): string {
  const events = `${plural(user.event_count, 'event')}, the last at ${time(user.last_event)}`;
  if (user.max_risk_level !== null && user.level_since !== null)
    return `${user.max_risk_level} since ${time(user.level_since)} (${age(user.level_since)}); ${events}`;
  const since = user.cleared_at ?? user.first_seen_at;
  return `cleared since ${time(since)} (${age(since)}); last met with ${events}`;
}

function absence({ absentWalks, lookup, may }: UserHistory, since: string, { time }: View): string {
  const walks = absentWalks ?? { complete: 0, partial: 0 };
  const lacked = `Absent since ${time(since)} (${age(since)}): not met by ${walksInWords(walks.complete, walks.partial)}.`;
  if (!may.lookups) return `${lacked} This database role may not see what the user's own record says.`;
  // Ignore an answer from an earlier absence.
  if (lookup === null || Date.parse(lookup.asked_at) < Date.parse(since))
    return `${lacked} The user's own record has not been asked for yet.`;
  return `${lacked} The user's own record was asked for at ${time(lookup.asked_at)} (run ${lookup.run_id}): ${ANSWERS[lookup.outcome] ?? lookup.outcome}.`;
}

const ANSWERS: Record<string, string> = {
  level: 'it shows a level, so the user stays present',
  no_level: 'it shows no level, and no reset that would prove it',
  reset: 'it shows a reset',
  not_found: 'there is no record',
  unreadable:
    'the answer could not be read, contradicts itself, or names another person, so the user stays present',
};

function person(identity: Identity | null): string {
  return `${identity?.name ?? 'no name'}, ${identity?.email ?? 'no email'}`;
}

function age(at: string): string {
  return duration(Date.now() - Date.parse(at));
}
