// Questions of pages and of the API: read-only, under the role for readers, all from one snapshot of the database, and
// within a bounded time. The pool is their own, so that a slow question never blocks a probe or a run.
import type { Db } from '../db/handle.ts';
import type { Pool } from '../db/pool.ts';
import { PII_READER, READER, takeRole } from '../db/roles.ts';
import { askDatabase } from './ask-database.ts';

export const READ_WAIT_MS = 10_000;
/** Two connections may still be busy with questions that nobody waits for any more. */
export const READ_POOL = { max: 4, queryTimeoutMs: READ_WAIT_MS + 1_000, connectTimeoutMs: 3_000 };

export type Reader = { pool: Pool; waitMs?: number };

/**
 * Throws DATABASE_SLOW, another OperatorError of the connection, ROLES_MISSING, or what `ask` throws. Only a question
 * `with identities` may read emails and names.
 */
export async function readAs<T>(
  { pool, waitMs = READ_WAIT_MS }: Reader,
  role: 'without identities' | 'with identities',
  ask: (db: Db) => Promise<T>,
): Promise<T> {
  return askDatabase(pool, waitMs, async (tx) => {
    await takeRole(tx, role === 'with identities' ? PII_READER : READER);
    return ask(tx);
  });
}
