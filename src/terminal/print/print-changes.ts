// The feed of level changes: a table per account, or rows as JSON or CSV, written as they are read.
import { once } from 'node:events';
import { NO_ACCOUNT } from '../../answers/choose-histories.ts';
import type { AccountChanges } from '../../answers/changes.ts';
import { accountName } from '../../answers/resolve-accounts.ts';
import type { LevelChange } from '../../queries/levels/level-changes.ts';
import { localMinute } from '../../time/when.ts';
import { plural } from '../../words.ts';
import { paintLevel } from '../colour.ts';
import { personTable } from './person-lines.ts';
import { openRows, table, type Cell, type OutputFormat } from '../table.ts';
import { viewOf, type View } from '../view.ts';
import type { Terminal } from '../wrap.ts';
import { IDENTITY_FIELDS } from '../../user-risk.ts';

type ChangesIo = Terminal & { stdout: NodeJS.WritableStream; stderr: { write(text: string): unknown } };
type ChangesPrintOptions = {
  format: OutputFormat;
  timezone: string;
  identities: boolean;
  since: Date;
  until: Date;
};

export async function printChanges(
  io: ChangesIo,
  found: readonly AccountChanges[],
  options: ChangesPrintOptions,
): Promise<void> {
  if (options.format !== 'table') return printAll(io, found, options.format, options.identities);
  if (found.length === 0) io.stdout.write(NO_ACCOUNT);
  const view = viewOf(io, options.timezone);
  for (const [index, one] of found.entries()) {
    const rows: LevelChange[] = [];
    for await (const part of one.parts) rows.push(...part);
    io.stdout.write(`${index === 0 ? '' : '\n'}${blockOf(one, rows, options, view)}`);
  }
}

const COLUMNS = ['account_id', 'changed_at', 'change', 'user_id', 'from_level', 'to_level', 'snapshot_id'];

async function printAll(
  io: ChangesIo,
  found: readonly AccountChanges[],
  format: 'json' | 'csv',
  identities: boolean,
): Promise<void> {
  const names = identities ? [...COLUMNS, ...IDENTITY_FIELDS] : COLUMNS;
  const writer = openRows(
    io.stdout,
    format,
    names.map((name) => ({ name })),
  );
  for (const { account, parts, hasMore } of found) {
    for await (const part of parts) {
      writer.add(
        part.map((row): Cell[] => [
          account.account_id,
          row.changed_at,
          row.change,
          row.user_id,
          row.from_level,
          row.to_level,
          row.snapshot_id,
          ...(identities ? IDENTITY_FIELDS.map((field) => row[field]) : []),
        ]),
      );
      await drained(io.stdout);
    }
    if (hasMore()) io.stderr.write(`account ${accountName(account)}: there are more changes (--limit)\n`);
  }
  writer.end();
}

/** A slow reader must not fill the memory. A reader that disconnects also ends the wait. */
async function drained(out: NodeJS.WritableStream & { writableNeedDrain?: boolean }): Promise<void> {
  if (out.writableNeedDrain !== true) return;
  const done = new AbortController();
  const events = ['drain', 'close'].map((name) =>
    once(out, name, { signal: done.signal }).catch(() => undefined),
  );
  await Promise.race(events);
  done.abort();
}

function blockOf(
  { account, hasMore }: AccountChanges,
  rows: readonly LevelChange[],
  { identities, since, until }: ChangesPrintOptions,
  view: View,
): string {
  const head = `account ${accountName(account)}\nfrom ${view.time(since)} to ${view.time(until)}\n\n`;
  if (rows.length === 0)
    return `${head}${account.newest_at === null ? 'There is no snapshot yet.' : 'No such change of a level.'}\n`;
  const columns = [
    { name: 'time' },
    { name: 'change' },
    { name: 'user_id' },
    { name: 'from', paint: paintLevel(view.paint) },
    { name: 'to', paint: paintLevel(view.paint) },
    { name: 'snapshot', right: true, extra: true as const },
  ];
  const cells = (row: LevelChange): Cell[] => [
    localMinute(row.changed_at, view.timezone),
    row.change,
    row.user_id,
    row.from_level,
    row.to_level,
    String(row.snapshot_id),
  ];
  const text = identities
    ? personTable(columns, rows, (at) => cells(rows[at]!), view.width)
    : table(columns, rows.map(cells), view.width);
  const count = hasMore()
    ? `The newest ${plural(rows.length, 'change')}; there are more (--limit, or --format csv for all).`
    : `${plural(rows.length, 'change')}.`;
  return `${head}${text}\n\n${count}\nTimes are in ${view.timezone}.\n`;
}
