// `rejected recheck`: reads what waits again with this version's eyes, and prints what became of each.
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import type { RejectedRow } from '../queries/rejected/list-rejected.ts';
import { waitingRaw } from '../queries/rejected/waiting-raw.ts';
import { plural } from '../words.ts';
import { printRows, type Cell, type Format } from '../terminal/table.ts';
import { recheck, type Recheck } from '../upkeep/recheck.ts';
import { blockOf, byAccount, more } from '../terminal/print-rejected.ts';
import { wrap } from '../terminal/wrap.ts';

export type RecheckOptions = { account?: string; limit: number; format: Format };

export async function printRecheck(io: Io, pool: Pool, options: RecheckOptions): Promise<void> {
  const rows: (RejectedRow & { now: Recheck })[] = [];
  for await (const { raw, ...row } of waitingRaw(
    pool,
    options.account === undefined ? {} : { accountId: options.account },
  ))
    rows.push({ ...row, now: recheck(raw) });
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
      io.stdout,
      options.format,
      columns.map((name) => ({ name })),
      lines,
    );
  }
  if (rows.length === 0) {
    io.stdout.write('No rejected record waits.\n');
    return;
  }
  const shown = rows.slice(0, options.limit);
  const blocks = shown.map((row) => blockOf(row, inWords(row.now)));
  const count = (outcome: Recheck['outcome']) => rows.filter((row) => row.now.outcome === outcome).length;
  const [accepted, rejected, unknown] = [count('accepted'), count('rejected'), count('unknown')];
  const told = [
    `${plural(rows.length, 'rejected record')} waiting${more(shown.length, rows.length)}.`,
    accepted > 0
      ? `This version would accept ${accepted.toLocaleString('en-US')} of them: the next sync brings them in.`
      : 'This version would accept none of them.',
    ...(rejected > 0 ? [`Still rejected: ${rejected.toLocaleString('en-US')}.`] : []),
    ...(unknown > 0 ? [`Cannot be told: ${unknown.toLocaleString('en-US')}; the next sync will.`] : []),
  ];
  io.stdout.write(`${byAccount(shown, blocks)}\n\n${wrap(told.join(' '))}\n`);
}

function inWords({ outcome, reason }: Recheck): string {
  if (outcome === 'accepted') return 'would be accepted';
  return outcome === 'rejected' ? `still rejected: ${reason}` : `cannot be told: ${reason}`;
}
