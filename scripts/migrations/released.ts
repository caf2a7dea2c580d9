// Holds the record of released migrations against the files, and adds to it. Pure.
import type { ReleasedMigration } from '../../src/db/released-migrations.ts';

/** What is wrong, one line each. The released ones must be the first of the journal, as they were. */
export function brokenReleases(
  released: readonly ReleasedMigration[],
  migrations: readonly ReleasedMigration[],
): string[] {
  return released.flatMap(({ file, when, sha256 }, index) => {
    const place = migrations.findIndex((migration) => migration.file === file);
    const found = migrations[place];
    const frozen = 'databases out there have applied it. Put it back, and write a new migration instead';
    if (found === undefined) return [`migrations/${file} is released and gone: ${frozen}`];
    if (found.sha256 !== sha256) return [`migrations/${file} is released and was changed: ${frozen}`];
    if (found.when !== when || place !== index)
      return [`migrations/${file} is released, and its place or date in the journal was changed: ${frozen}`];
    return [];
  });
}

/** The record with all migrations in it. */
export function releaseAll(migrations: readonly ReleasedMigration[]): ReleasedMigration[] {
  return migrations.map(({ file, when, sha256 }) => ({ file, when, sha256 }));
}
