// What copy, backup and restore of a whole history print.
import type { HistoryHead } from '../../move/history.ts';
import { duration, plural } from '../../words.ts';

export type Moved = { head: HistoryHead; ms: number };

/** "1,234 rows in 9 tables (12.0 s, 103 rows a second)" */
export function movedRows({ head, ms }: Moved): string {
  const rows = head.tables.reduce((sum, table) => sum + table.rows, 0);
  const pace = Math.round(rows / Math.max(0.001, ms / 1000));
  return `${plural(rows, 'row')} in ${plural(head.tables.length, 'table')} (${duration(ms)}, ${plural(pace, 'row')} a second)`;
}

/** `place` has no user and no password. */
export function copiedText(moved: Moved, place: string): string {
  return `copied to ${place}: ${movedRows(moved)}. Every row was compared
Runs that ended after ${moved.head.created_at} are not in it. The old history is as it was.
Next: name the new database in DATABASE_URL, run \`zt-risk-sync migrate --roles\`
for readers and \`zt-risk-sync doctor\`, and stop what syncs into the old one.
`;
}

export function restoredText(moved: Moved): string {
  return `restored: ${movedRows(moved)}. Every row was compared
It is the history as it was at ${moved.head.created_at}. Readers of feeds: docs/feeds.md, "After a restore".
Next: run \`zt-risk-sync migrate --roles\` for readers, and \`zt-risk-sync doctor\`.
`;
}

/** "saved in risk.backup (3.1 MB): …" */
export function savedText(moved: Moved, file: string, bytes: number): string {
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const where = file === '-' ? 'written' : `saved in ${file}`;
  return `${where} (${size}): ${movedRows(moved)}
It holds every email and name. Keep it where only you can read it.
`;
}
