// SQL that reads `sync_runs.evidence`. Its type checks the names, so renaming a part breaks the build.
import { sql, type SQL, type SQLWrapper } from 'drizzle-orm';
import type { Evidence } from '../../evidence.ts';

/** Whether a run kept this part. */
export function keeps(evidence: SQLWrapper, part: keyof Evidence): SQL {
  return sql`${evidence} ? ${sql.raw(`'${part}'`)}`;
}

/** One value of a part, as text; null if it is missing. */
export function evidenceText<P extends keyof Evidence>(
  evidence: SQLWrapper,
  part: P,
  name: keyof NonNullable<Evidence[P]> & string,
): SQL<string | null> {
  return sql<string | null>`${evidence} #>> ${sql.raw(`'{${part},${name}}'`)}`;
}
