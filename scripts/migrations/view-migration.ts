// Which migration gets the current src/db/views: the last one, if `db:views` wrote it and it is not released, or else a
// new one.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { readReleased } from '../../src/db/released-migrations.ts';
import { appendMigration, readMigrations, removeLastMigration } from './folder.ts';
import { isViewMigration, viewChanges, viewsAfter } from './view-changes.ts';
import type { ViewFile } from './view-files.ts';

export type ViewMigration =
  | { do: 'nothing' }
  | { do: 'rewrite'; file: string; text: string }
  | { do: 'append'; text: string }
  | { do: 'remove'; file: string };

export function planViewMigration(folder: string, now: readonly ViewFile[]): ViewMigration {
  const released = new Set(readReleased(folder).map(({ file }) => file));
  const migrations = readMigrations(folder);
  const last = migrations.at(-1);
  const texts = migrations.map(({ text }) => text);
  if (last === undefined || !isViewMigration(last.text) || released.has(last.file)) {
    const text = viewChanges(viewsAfter(texts), now);
    return text === null ? { do: 'nothing' } : { do: 'append', text };
  }
  const text = viewChanges(viewsAfter(texts.slice(0, -1)), now);
  if (text === null) return { do: 'remove', file: last.file };
  return text === last.text ? { do: 'nothing' } : { do: 'rewrite', file: last.file, text };
}

/** Returns what it did, in words. */
export function writeViewMigration(folder: string, now: readonly ViewFile[]): string {
  const plan = planViewMigration(folder, now);
  switch (plan.do) {
    case 'nothing':
      return 'The migrations match src/db/views: nothing to write';
    case 'rewrite':
      writeFileSync(path.join(folder, plan.file), plan.text);
      return `${plan.file} is not released, so it was rewritten: read the SQL`;
    case 'append':
      return `${appendMigration(folder, 'views', plan.text)} is new: read the SQL`;
    case 'remove':
      removeLastMigration(folder);
      return `${plan.file} was not released and no longer changed anything, so it was deleted`;
  }
}
