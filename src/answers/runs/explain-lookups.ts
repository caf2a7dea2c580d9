// Explains what happened to the users that a walk did not meet. Pure.
import type { Lookups } from '../../evidence.ts';
import { plural } from '../../words.ts';

const WALKS = 'users are cleared after two complete walks without them';

const STATES: Record<NonNullable<Lookups['state']>, string> = {
  working: 'the control passed: a user whom the walk met has a level in their own record',
  refused: `the API refused to answer about single users: ${WALKS}`,
  control_failed: `the control failed: own records of users whom the walk met show no level or are not valid, so no record is believed: ${WALKS}`,
  unanswered: 'the API gave no usable answer about them, and the next run asks again',
  off: `the API is not asked about them (SYNC_CONFIRM=walks): ${WALKS}`,
};

/**
 * "12 users were not met: 9 asked, 7 gone (5 reset, 2 not found), 2 still there, 3 wait for the next run; the control
 * passed …"
 */
export function explainLookups(lookups: Lookups): string {
  const { state, missing, insisting } = lookups;
  if (missing === 0) return state === undefined ? 'none' : STATES[state];
  const outcome = state === 'working' ? `: ${outcomes(lookups).join(', ')}` : '';
  const insist =
    insisting > 0
      ? `${plural(insisting, 'own record still shows', 'own records still show')} a level after five complete walks without the user`
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
    [l.not_found, 'not found'],
  ];
  const gone = l.reset + l.not_found;
  const named = kinds.filter(([n]) => n > 0).map(([n, what]) => `${number(n)} ${what}`);
  return [
    `${number(l.asked)} asked`,
    ...(gone > 0 ? [`${number(gone)} gone (${named.join(', ')})`] : []),
    ...(l.no_level > 0
      ? [`${number(l.no_level)} without a level and without a reset (cleared after two complete walks)`]
      : []),
    ...(l.level > 0 ? [`${number(l.level)} still there`] : []),
    ...(l.unreadable > 0
      ? [`${number(l.unreadable)} with an answer that is unreadable or contradicts itself`]
      : []),
    ...(l.waiting > 0 ? [`${number(l.waiting)} wait for the next run`] : []),
  ];
}
