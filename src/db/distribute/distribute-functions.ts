// Rewrites the functions of risk_bi in plpgsql for a distributed history: Citus refuses a SQL function with arguments
// over distributed tables. Their queries stay those of src/db/views.
import { sql } from 'drizzle-orm';
import type { Transaction } from '../transaction.ts';

/**
 * Creates the functions again, with the same arguments, rows, comments and grants. Skips functions that are already in
 * plpgsql, so it may follow every migration. The pool pins search_path to pg_catalog, so PostgreSQL prints every name
 * with its schema.
 */
export async function distributeFunctions(tx: Transaction): Promise<void> {
  const { rows } = await tx.execute<{ definition: string }>(sql`
    select pg_get_functiondef(oid) as definition from pg_proc
     where pronamespace = 'risk_bi'::regnamespace and prosqlbody is not null
     order by proname`);
  for (const { definition } of rows) await tx.execute(sql.raw(inPlpgsql(definition)));
}

/** Functions of one query that PostgreSQL has parsed, as pg_get_functiondef prints them. */
export function inPlpgsql(definition: string): string {
  const [, head, attributes, query] =
    /^([\s\S]*?)\n LANGUAGE sql\n([\s\S]*?)\n?BEGIN ATOMIC\n([\s\S]*);\s*END\s*$/.exec(definition) ?? [];
  if (head === undefined || attributes === undefined || query === undefined)
    throw new Error(`not a function of one query: ${definition.slice(0, 80)}`);
  return `${head}
 LANGUAGE plpgsql
${attributes}
 SET search_path = pg_catalog
AS $plpgsql$
#variable_conflict use_column
BEGIN
 RETURN QUERY
${query};
END
$plpgsql$`;
}
