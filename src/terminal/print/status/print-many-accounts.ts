// `status` for many accounts: how many are healthy, then those that need a look. Pure.
import type { ScheduleState } from '../../../answers/accounts/account-states.ts';
import { summaryOf, troublesOf, type AccountsSummary } from '../../../answers/accounts/account-troubles.ts';
import type { AccountStatus } from '../../../queries/accounts/list-accounts.ts';
import { plural, printable } from '../../../words.ts';
import { table, type Cell, type Column } from '../../table.ts';
import type { View } from '../../view.ts';
import { wrap } from '../../wrap.ts';

/** More accounts than this do not fit on a screen. The others are left out without --all. */
export const MANY_ACCOUNTS = 20;

const COLUMNS: readonly Column[] = [
  { name: 'account' },
  { name: 'label', shrinks: true, extra: true },
  { name: 'needs a look because', shrinks: true },
];

export function manyAccountLines(
  states: readonly AccountStatus[],
  schedule: ScheduleState,
  view: View,
): string[] {
  const troubles = troublesOf(states, schedule);
  const shown = troubles.slice(0, MANY_ACCOUNTS);
  const lines = [
    ...summaryLines(summaryOf(states, schedule), view).map((line) => wrap(line, 2, view.textWidth)),
    '',
  ];
  if (shown.length === 0) return [...lines, 'No account needs a look.', '', HINT];
  const rows = shown.map(({ state, words }): Cell[] => [state.account_id, state.label, printable(words)]);
  const more = troubles.length - shown.length;
  return [
    ...lines,
    table(COLUMNS, rows, view.width),
    '',
    ...(more > 0 ? [`${count(more)} more need a look.`] : []),
    HINT,
  ];
}

const HINT = 'All: status --all. One: status --account <id>. For programs: --format json';

function summaryLines(summary: AccountsSummary, view: View): string[] {
  const { accounts, retired, fresh, stale, young, users, running, slot } = summary;
  const parts = (pairs: readonly (readonly [number, string])[]) =>
    pairs.flatMap(([number, word]) => (number === 0 ? [] : [`${count(number)} ${word}`])).join(', ');
  return [
    `${plural(accounts, 'account')} with ${plural(users, 'user')}: ${parts([
      [fresh, 'fresh'],
      [stale, 'STALE'],
      [young, 'new'],
    ])}${retired === 0 ? '' : `; ${count(retired)} retired`}`,
    running === null
      ? 'this database role may not read which syncs are running'
      : running === 0
        ? 'no sync is running'
        : `${plural(running, 'sync')} running`,
    ...(slot === null
      ? []
      : [
          `last slot ${view.time(slot.at)}: ${parts([
            [slot.succeeded, 'succeeded'],
            [slot.failed, 'failed'],
            [slot.none, 'without a finished run'],
          ])}`,
        ]),
  ];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
