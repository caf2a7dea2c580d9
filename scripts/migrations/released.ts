// Compares the record of released migrations with the files, and adds to the record. Pure.
import type { ReleasedMigration } from '../../src/db/released-migrations.ts';

/** Returns what is wrong, one line each. The released migrations must be the first of the journal, and unchanged. */
export function brokenReleases(
  released: readonly ReleasedMigration[],
  migrations: readonly ReleasedMigration[],
): string[] {
  return released.flatMap(({ file, when, sha256 }, index) => {
    const place = migrations.findIndex((migration) => migration.file === file);
    const found = migrations[place];
    const frozen = 'databases have applied it. Restore it, and write a new migration instead';
    if (found === undefined) return [`migrations/${file} is released, but missing: ${frozen}`];
    if (found.sha256 !== sha256) return [`migrations/${file} is released, but was changed: ${frozen}`];
    if (found.when !== when || place !== index)
      return [`migrations/${file} is released, but its place or date in the journal was changed: ${frozen}`];
    return [];
  });
}

/** The record with all migrations in it. */
export function releaseAll(migrations: readonly ReleasedMigration[]): ReleasedMigration[] {
  return migrations.map(({ file, when, sha256 }) => ({ file, when, sha256 }));
}
