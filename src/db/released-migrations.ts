// The record of released migrations: a migration may change until it stands there, and never afterwards.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** The date of the journal belongs to it: a database knows a migration by both. */
export type ReleasedMigration = { file: string; when: number; sha256: string };

/** In the order in which they are applied. */
export function readReleased(folder: string): readonly ReleasedMigration[] {
  const file = releasedFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ReleasedMigration[]) : [];
}

export function releasedFile(folder: string): string {
  return path.join(folder, 'released.json');
}
