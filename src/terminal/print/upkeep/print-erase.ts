// The questions and results of `erase`. The email is never repeated: a terminal may be recorded. Pure.
import { accountName, type NamedAccount } from '../../../answers/resolve-accounts.ts';
import type { FoundPerson, FoundPersons } from '../../../answers/person/find-persons.ts';
import type { Erasing } from '../../../upkeep/erase/erase-person.ts';
import { plural } from '../../../words.ts';
import type { View } from '../../view.ts';
import { wrap } from '../../wrap.ts';

/** What is about to be erased, before the question. */
export function askedText({ persons, strayRecords }: FoundPersons, once: boolean, view: View): string {
  const say = (text: string, indent = 0) => `${' '.repeat(indent)}${wrap(text, indent, view.textWidth)}\n`;
  const who =
    persons.length === 0 ? 'nobody whose user id is known' : plural(persons.length, 'person', 'people');
  return [
    say(`This erases ${who}. It cannot be undone.`),
    ...persons.flatMap((person) =>
      personLines(person, view).map((line, nth) => say(line, nth === 0 ? 2 : 4)),
    ),
    strayRecords > 0 ? say(`${plural(strayRecords, 'rejected record')} will be deleted.`) : '',
    say(
      once
        ? 'When the API serves them again, they are a new user.'
        : 'They stay forgotten when the API serves them again (--once: they are then a new user).',
    ),
  ].join('');
}

function personLines({ userId, erasure, users }: FoundPerson, { time }: View): string[] {
  const head = `user ${userId}`;
  if (users.length === 0)
    return [erasure === null ? `${head}, whom no account knows yet` : `${head}, forgotten`];
  const where = users.map((user) => {
    const level =
      user.max_risk_level === null || user.level_since === null
        ? 'cleared'
        : `${user.max_risk_level} since ${time(user.level_since)}`;
    return `in account ${accountName(user)}: ${level}, ${plural(user.event_count, 'event')}, ${plural(user.identity_count, 'version of email and name', 'versions of email and name')}`;
  });
  return [erasure === null ? head : `${head}, forgotten as ${erasure.user_id}`, ...where];
}

export function busyText(
  account: NamedAccount | undefined,
  { runId, host }: { runId: number; host: string },
): string {
  const where = account === undefined ? '' : ` of account ${accountName(account)}`;
  return `Run ${runId}${where} is under way on host ${host}: the erasure continues when it has ended`;
}

export function erasedText(done: readonly Erasing[], once: boolean, view: View): string {
  const say = (text: string) => `${wrap(text, 2, view.textWidth)}\n`;
  const lines = done.map(({ person }) =>
    say(
      `${person.user_id}: erased from ${plural(person.account_count, 'account')}; ${[
        plural(person.identity_count, 'version of email and name', 'versions of email and name'),
        plural(person.rejected_count, 'rejected record'),
        plural(person.lookup_count, 'lookup'),
        plural(person.run_count, 'text of a run', 'texts of runs'),
      ].join(', ')}`,
    ),
  );
  const forgotten = done.some(({ person }) => person.mode === 'forget');
  if (once && forgotten)
    lines.push(
      say(
        'The person was forgotten before, and stays so: `zt-risk-sync erased release` with this id ends it.',
      ),
    );
  lines.push(SWEPT[worst(done)] === '' ? '' : say(SWEPT[worst(done)]));
  lines.push(
    say(
      'Exported files, copies in other databases, backups and server logs are out of reach: docs/erasure.md says what to do there.',
    ),
  );
  return lines.join('');
}

const SWEPT: Record<Erasing['swept'], string> = {
  all: '',
  not_owner:
    'The database user may not vacuum the tables, so the files of the server still hold old versions of rows. Ask their owner to run VACUUM (ANALYZE, INDEX_CLEANUP ON).',
  failed:
    'VACUUM did not end well, so the files of the server still hold old versions of rows, until autovacuum or the next `erase` removes them.',
};

function worst(done: readonly Erasing[]): Erasing['swept'] {
  return done.map(({ swept }) => swept).find((swept) => swept !== 'all') ?? 'all';
}

export function erasingObject({ person, swept }: Erasing): Record<string, unknown> {
  return {
    user_id: person.user_id,
    mode: person.mode,
    began_at: new Date(person.began_at).toISOString(),
    finished_at: person.finished_at === null ? null : new Date(person.finished_at).toISOString(),
    accounts: person.account_count,
    identities: person.identity_count,
    rejected: person.rejected_count,
    lookups: person.lookup_count,
    runs: person.run_count,
    vacuumed: swept,
  };
}
