// The output of `import`: one line for each snapshot as JSON, or one table of all of them.
import type { Imported } from '../../upkeep/import/import-snapshot.ts';
import type { Preview } from '../../upkeep/import/preview-snapshot.ts';
import { localMinute } from '../../time/when.ts';
import { CHANGES } from '../../user-risk.ts';
import { plural } from '../../words.ts';
import { table, type Cell } from '../table.ts';
import type { View } from '../view.ts';
import { wrap } from '../wrap.ts';
import { emptyLine, syncLine, type SyncLine } from './print-sync.ts';

/** A line of `sync --json`, with the files that it was made of. */
export type ImportLine = SyncLine & { observed_at: string; files: number };

/** One planned snapshot of saved files. */
export type Planned = { at: Date; files: readonly unknown[] };

export type ImportRow = { line: ImportLine; reasons: readonly string[] };

export function importedRow(
  accountId: string,
  planned: Planned,
  { outcome, ms }: { outcome: Imported; ms: number },
) {
  const { reasons = [] } = outcome.result.facts.evidence;
  return rowOf(syncLine(accountId, outcome, ms), planned, reasons);
}

export function doneRow(accountId: string, planned: Planned, snapshotId: number): ImportRow {
  return rowOf({ ...emptyLine(accountId, 'already_imported'), snapshot_id: snapshotId }, planned, []);
}

export function previewRow(
  accountId: string,
  planned: Planned,
  { verdict, counts }: Preview,
  ms: number,
): ImportRow {
  const line = {
    ...emptyLine(accountId, 'dry_run'),
    verdict,
    met: counts.usersMet,
    rejected: counts.rejected,
    duplicates: counts.duplicates,
    pages: counts.pages,
    passes: counts.passes,
    duration_ms: Math.round(ms),
  };
  return rowOf(line, planned, counts.evidence.reasons ?? []);
}

export function failedRow(
  accountId: string,
  planned: Planned,
  error: { code: string; message: string },
): ImportRow {
  const { code, message } = error;
  return rowOf({ ...emptyLine(accountId, 'failed'), error: { code, message } }, planned, []);
}

function rowOf(line: SyncLine, { at, files }: Planned, reasons: readonly string[]): ImportRow {
  return { line: { ...line, observed_at: at.toISOString(), files: files.length }, reasons };
}

/** Printed before anything is published, because the time of a snapshot never changes. */
export function aheadText(ahead: readonly { at: Date; event: Date }[], view: View): string {
  const [first] = ahead;
  if (first === undefined) return '';
  const which =
    ahead.length === 1 ? 'file holds events from after its time' : 'files hold events from after their time';
  return view.notice(
    `warning: ${ahead.length.toLocaleString('en-US')} ${which}, for example of ${first.event.toISOString()} in a file of ${first.at.toISOString()}. Check the zone (--timezone), and the times in the names`,
  );
}

const MOST_ROWS = 40;
const MOST_REASONS = 5;

/** The newest snapshots, why some of them are partial, and the files that were skipped. */
export function importText(
  rows: readonly ImportRow[],
  { isDryRun }: { isDryRun: boolean },
  view: View,
): string {
  const done = rows.filter(({ line }) => line.status === 'already_imported');
  const told = rows.filter(({ line }) => line.verdict !== null);
  const shown = told.slice(-MOST_ROWS);
  return [
    ...(shown.length < told.length
      ? [`The newest ${shown.length} of ${plural(told.length, 'snapshot')}:`]
      : []),
    ...(shown.length > 0 ? [isDryRun ? previewTable(shown, view) : importedTable(shown, view), ''] : []),
    ...reasonLines(told, view),
    ...(done.length > 0 ? [doneLine(done, view)] : []),
    ...(told.length > 0 ? [wrap(sumLine(told, isDryRun, view), 0, view.textWidth)] : []),
  ]
    .map((text) => `${text}\n`)
    .join('');
}

function importedTable(rows: readonly ImportRow[], view: View): string {
  const columns = [
    { name: 'time' },
    { name: 'verdict' },
    ...['users', ...CHANGES].map((name) => ({ name, right: true })),
    ...['rejected', 'files', 'snapshot'].map((name) => ({ name, right: true, extra: true as const })),
  ];
  const cells = rows.map(({ line }): Cell[] => [
    localMinute(line.observed_at, view.timezone),
    line.verdict,
    line.users,
    ...CHANGES.map((change) => line[change]),
    line.rejected,
    line.files,
    String(line.snapshot_id),
  ]);
  return table(columns, cells, view.width);
}

function previewTable(rows: readonly ImportRow[], view: View): string {
  const columns = [
    { name: 'time' },
    { name: 'verdict' },
    ...['met', 'rejected', 'pages', 'files'].map((name) => ({ name, right: true })),
  ];
  const cells = rows.map(({ line }): Cell[] => [
    localMinute(line.observed_at, view.timezone),
    line.verdict,
    line.met,
    line.rejected,
    line.pages,
    line.files,
  ]);
  return table(columns, cells, view.width);
}

function reasonLines(rows: readonly ImportRow[], view: View): string[] {
  const partial = rows.filter(({ line }) => line.verdict === 'partial');
  const lines = partial.slice(0, MOST_REASONS).flatMap(({ line, reasons }) => {
    const why = reasons.length === 0 ? 'a guard kept the users who were not met' : reasons.join('; ');
    return [wrap(`${localMinute(line.observed_at, view.timezone)} is partial: ${why}`, 2, view.textWidth)];
  });
  const more = partial.length - Math.min(partial.length, MOST_REASONS);
  return [
    ...lines,
    ...(more > 0
      ? [`${plural(more, 'more snapshot is', 'more snapshots are')} partial (--json, and status --run)`]
      : []),
    ...(partial.length > 0 ? [''] : []),
  ];
}

function doneLine(done: readonly ImportRow[], view: View): string {
  const [first] = done;
  const text =
    done.length === 1 && first !== undefined
      ? `already imported: snapshot ${first.line.snapshot_id} of ${view.time(first.line.observed_at)}`
      : `already imported: ${plural(done.length, 'snapshot')}`;
  return wrap(text, 0, view.textWidth);
}

function sumLine(rows: readonly ImportRow[], isDryRun: boolean, view: View): string {
  const partial = rows.filter(({ line }) => line.verdict === 'partial').length;
  const of = `${plural(rows.length, 'snapshot')} (${partial} partial)`;
  const what = isDryRun ? `${of} would be published; nothing was` : `${of} published`;
  return `${what}. Times are in ${view.timezone}.`;
}
