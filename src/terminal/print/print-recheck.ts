// The outcome for each rejected record that was checked again, as text, JSON or CSV.
import type { Recheck } from '../../upkeep/recheck.ts';
import type { Rechecked } from '../../upkeep/recheck-waiting.ts';
import { plural } from '../../words.ts';
import { rejectedBlock, byAccount, ofThemShown } from './print-rejected.ts';
import { printRows, type Cell, type OutputFormat } from '../table.ts';
import type { View } from '../view.ts';
import { wrap } from '../wrap.ts';

export function printRecheck(
  out: NodeJS.WritableStream,
  rows: readonly Rechecked[],
  options: { limit: number; format: OutputFormat },
  view: View,
): void {
  if (options.format !== 'table') {
    const columns = ['account_id', 'id', 'user_id', 'outcome', 'reason', 'rejected_because'];
    const lines = rows.map((row): Cell[] => [
      row.account_id,
      row.id,
      row.user_id,
      row.now.outcome,
      row.now.reason,
      row.reason,
    ]);
    return printRows(
      out,
      options.format,
      columns.map((name) => ({ name })),
      lines,
    );
  }
  if (rows.length === 0) {
    out.write('No rejected records are waiting.\n');
    return;
  }
  const shown = rows.slice(0, options.limit);
  const blocks = shown.map((row) => rejectedBlock(row, inWords(row.now), view));
  const count = (outcome: Recheck['outcome']) => rows.filter((row) => row.now.outcome === outcome).length;
  const [accepted, rejected, unknown] = [count('accepted'), count('rejected'), count('unknown')];
  const told = [
    `${plural(rows.length, 'rejected record')} waiting${ofThemShown(shown.length, rows.length)}.`,
    accepted > 0
      ? `This version would accept ${accepted.toLocaleString('en-US')} of them: the next sync adds them.`
      : 'This version would accept none of them.',
    ...(rejected > 0 ? [`Still rejected: ${rejected.toLocaleString('en-US')}.`] : []),
    ...(unknown > 0 ? [`Unknown: ${unknown.toLocaleString('en-US')}; the next sync decides.`] : []),
  ];
  out.write(`${byAccount(shown, blocks)}\n\n${wrap(told.join(' '), 0, view.textWidth)}\n`);
}

function inWords({ outcome, reason }: Recheck): string {
  if (outcome === 'accepted') return 'would be accepted';
  return outcome === 'rejected' ? `still rejected: ${reason}` : `unknown: ${reason}`;
}
