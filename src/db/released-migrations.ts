// The record of released migrations. A migration may change until it is in this record, and never afterwards.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** `when` is the date in the journal. A database identifies a migration by its date and its hash. */
export type ReleasedMigration = { file: string; when: number; sha256: string };

/** In the order in which they are applied. */
export function readReleased(folder: string): readonly ReleasedMigration[] {
  const file = releasedFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ReleasedMigration[]) : [];
}

export function releasedFile(folder: string): string {
  return path.join(folder, 'released.json');
}
