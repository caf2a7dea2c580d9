// Writes the SQL that turns the views of earlier migrations into the current views, and reads such SQL back. Pure.
import { BREAKPOINT, inOrder, parseViewFile, type ViewFile } from './view-files.ts';

const WRITTEN = '-- Written by `npm run db:views` from src/db/views: edit there.';

export function isViewMigration(text: string): boolean {
  return text.startsWith(WRITTEN);
}

/**
 * Returns the text of the migration. Null if nothing has changed. It uses CREATE OR REPLACE where possible, because
 * views of other people may use ours, and ours hold grants. A view that drops, renames or retypes a column breaks the
 * contract, and PostgreSQL refuses it. A function with other arguments or results must be dropped. Everything that uses
 * it is dropped and created again with it.
 */
export function viewChanges(before: readonly ViewFile[], now: readonly ViewFile[]): string | null {
  const old = new Map(before.map((file) => [file.name, file]));
  const current = new Map(now.map((file) => [file.name, file]));
  const dropped = new Set<string>();
  // In an order in which each object comes after the objects that it uses.
  for (const { name, kind, signature, uses } of inOrder(before)) {
    const next = current.get(name);
    const isKept = next !== undefined && next.kind === kind && next.signature === signature;
    if (!isKept || uses.some((used) => dropped.has(used))) dropped.add(name);
  }
  const drops = inOrder(before)
    .filter(({ name }) => dropped.has(name))
    .reverse()
    .map(({ kind, dropped: what }) => `DROP ${kind} ${what};`);
  const creates = inOrder(now).filter((file) => {
    const was = old.get(file.name);
    return was === undefined || dropped.has(file.name) || definition(was) !== definition(file);
  });
  if (drops.length === 0 && creates.length === 0) return null;
  const pieces = creates.map(({ name, text }) => `-- src/db/views/${name}.sql\n${text.trimEnd()}\n`);
  if (drops.length > 0) pieces.unshift(`${drops.join('\n')}\n`);
  return `${WRITTEN}\n${pieces.join(`${BREAKPOINT}\n`)}`;
}

/** The views that exist after these migrations, which must be in the order in which they are applied. */
export function viewsAfter(migrations: readonly string[]): ViewFile[] {
  const files = new Map<string, ViewFile>();
  for (const piece of migrations.filter(isViewMigration).flatMap((text) => text.split(`${BREAKPOINT}\n`))) {
    const [, name, text] = /^-- src\/db\/views\/(\w+)\.sql\n([\s\S]*)/m.exec(piece) ?? [];
    if (name !== undefined && text !== undefined) files.set(name, parseViewFile(name, text));
    else
      for (const [, gone = ''] of piece.matchAll(/^DROP (?:VIEW|FUNCTION) risk_bi\.(\w+)[;(]/gm))
        files.delete(gone);
  }
  return [...files.values()];
}

/** The text without the comments at its head, because the database does not store them. */
function definition({ text }: ViewFile): string {
  return text.replace(/^(?:--.*\n)*/, '').trimEnd();
}
