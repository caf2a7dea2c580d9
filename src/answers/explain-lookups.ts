// What became of the users a walk did not meet, in words. Pure.
import type { Lookups } from '../evidence.ts';
import { plural } from '../words.ts';

const WALKS = 'two complete walks that lack a user clear them';

const STATES: Record<NonNullable<Lookups['state']>, string> = {
  working: 'the control answered: a user whom the walk did meet has a level in their own record',
  refused: `the API refused to be asked for single users: ${WALKS}`,
  control_failed: `the control failed, as the own records of users whom the walk did meet state no level, or are no records, so that none is believed: ${WALKS}`,
  unanswered: 'their own records gave no answer that counts, and the next run asks again',
  off: `nobody is asked (SYNC_CONFIRM=walks): ${WALKS}`,
};

/** "12 users were not met: 9 asked, 7 gone (5 reset, 2 not found), 2 still there, 3 wait for the next run; the control answered …" */
export function explainLookups(lookups: Lookups): string {
  const { state, missing, insisting } = lookups;
  if (missing === 0) return state === undefined ? 'nobody' : STATES[state];
  const outcome = state === 'working' ? `: ${outcomes(lookups).join(', ')}` : '';
  const insist =
    insisting > 0
      ? `${plural(insisting, 'own record insists', 'own records insist')} on a level through five complete walks that lack the user`
      : null;
  return [
    `${plural(missing, 'user was', 'users were')} not met${outcome}`,
    state === undefined ? null : STATES[state],
    insist,
  ]
    .filter((part) => part !== null)
    .join('; ');
}

function outcomes(l: Lookups): string[] {
  const number = (n: number) => n.toLocaleString('en-US');
  const kinds: [number, string][] = [
    [l.reset, 'reset'],
    [l.no_level, 'without a level'],
    [l.not_found, 'not found'],
  ];
  const gone = l.reset + l.no_level + l.not_found;
  const named = kinds.filter(([n]) => n > 0).map(([n, what]) => `${number(n)} ${what}`);
  return [
    `${number(l.asked)} asked`,
    ...(gone > 0 ? [`${number(gone)} gone (${named.join(', ')})`] : []),
    ...(l.level > 0 ? [`${number(l.level)} still there`] : []),
    ...(l.unreadable > 0 ? [`${number(l.unreadable)} with an answer that could not be read`] : []),
    ...(l.waiting > 0 ? [`${number(l.waiting)} wait for the next run`] : []),
  ];
}
