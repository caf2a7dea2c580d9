// The history of one user as text, JSON or CSV.
import type { UserHistory } from '../answers/user-history.ts';
import type { FoundUser } from '../queries/users/find-users.ts';
import { duration, minute, plural, printable } from '../words.ts';
import { json, printRows, type Cell, type Format } from './table.ts';
import { inWords, iso, walksInWords, type TimelineEvent } from '../answers/user-timeline.ts';
import { wrap } from './wrap.ts';

type Out = { write(text: string): unknown };

export function printHistory(
  out: NodeJS.WritableStream,
  history: UserHistory,
  options: { identities: boolean; format: Format },
): void {
  if (options.format === 'json') out.write(`${json(asObject(history, options.identities))}\n`);
  else if (options.format === 'csv') printCsv(out, history, options.identities);
  else printText(out, history, options.identities);
}

const EVENT_COLUMNS = [
  'at',
  'event',
  'max_risk_level',
  'previous_level',
  'reason',
  'absent_since',
  'last_reset_time',
  'complete_walks',
  'partial_walks',
  'away_ms',
  'is_baseline',
  'snapshot_id',
  'run_id',
] as const satisfies readonly (keyof TimelineEvent)[];

const eventColumns = (identities: boolean): (keyof TimelineEvent)[] =>
  identities ? [...EVENT_COLUMNS, 'email', 'name'] : [...EVENT_COLUMNS];

function printCsv(out: NodeJS.WritableStream, { user, events }: UserHistory, identities: boolean): void {
  const columns = eventColumns(identities);
  const rows = events.map((event): Cell[] => [
    user.account_id,
    user.user_id,
    ...columns.map((name) => event[name]),
  ]);
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
    ...(identities ? { email: identity?.email ?? null, name: identity?.name ?? null } : {}),
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
    last_lookup:
      lookup === null
        ? null
        : { asked_at: iso(lookup.asked_at), outcome: lookup.outcome, run_id: lookup.run_id },
    events: history.events.map((event) =>
      Object.fromEntries(eventColumns(identities).map((name) => [name, event[name]])),
    ),
    events_left_out: history.leftOut,
  };
}

function printText(out: Out, history: UserHistory, identities: boolean): void {
  const { user, identity, events } = history;
  const line = (name: string, text: string) => out.write(`${name.padEnd(9)}${wrap(printable(text), 9)}\n`);
  line('user', user.user_id);
  line('account', user.label === null ? user.account_id : `${user.account_id} (${user.label})`);
  if (identities) line('known as', person(identity));
  out.write('\n');
  if (history.leftOut) out.write('Earlier events are left out (--limit).\n');
  for (const event of events) {
    const text = event.event === 'renamed' && identities ? `renamed: ${person(event)}` : inWords(event);
    const when = `${minute(event.at)}  `;
    out.write(`${when}${wrap(printable(text), when.length)}\n`);
  }
  out.write('\n');
  line('now', now(user));
  if (user.absent_since !== null) line('', absence(history, user.absent_since));
  if (!history.may.identities && events.some((event) => event.event === 'renamed'))
    line('', 'This database role may see only the newest change of email or name.');
}

function now(user: FoundUser): string {
  const events = `${plural(user.event_count, 'event')}, the last at ${minute(user.last_event)}`;
  if (user.max_risk_level !== null && user.level_since !== null)
    return `${user.max_risk_level} since ${minute(user.level_since)} (${age(user.level_since)}); ${events}`;
  return `cleared since ${minute(user.cleared_at ?? user.first_seen_at)} (${age(user.cleared_at ?? user.first_seen_at)}); last met with ${events}`;
}

function absence({ absentWalks, lookup, may }: UserHistory, since: string): string {
  const walks = absentWalks ?? { complete: 0, partial: 0 };
  const lacked = `Absent since ${minute(since)} (${age(since)}): not met by ${walksInWords(walks.complete, walks.partial)}.`;
  if (!may.lookups) return `${lacked} This database role may not see what the user's own record says.`;
  // An answer from an earlier absence says nothing about this one.
  if (lookup === null || Date.parse(lookup.asked_at) < Date.parse(since))
    return `${lacked} The user's own record has not been asked for yet.`;
  return `${lacked} The user's own record was asked for at ${minute(lookup.asked_at)} (run ${lookup.run_id}): ${ANSWERS[lookup.outcome] ?? lookup.outcome}.`;
}

const ANSWERS: Record<string, string> = {
  level: 'it shows a level, so the user stays present',
  no_level: 'it shows no level, and no reset that would prove it',
  reset: 'it shows a reset',
  not_found: 'there is no record',
  unreadable:
    'the answer could not be read, contradicts itself, or names another person, so the user stays present',
};

function person(identity: { email: string | null; name: string | null } | null): string {
  return `${identity?.name ?? 'no name'}, ${identity?.email ?? 'no email'}`;
}

function age(at: string): string {
  return duration(Date.now() - Date.parse(at));
}
