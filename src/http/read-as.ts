// Questions of pages and of the API: read-only, under the role for readers, all from one snapshot of the database, and
// within a bounded time. The pool is their own, so that a slow question never blocks a probe or a run.
import type { Db } from '../db/handle.ts';
import type { Pool } from '../db/pool.ts';
import { PII_READER, READER, rolesMissing, takeRole } from '../db/roles.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import { askDatabase } from './ask-database.ts';

export const READ_WAIT_MS = 10_000;
/** Two connections may still be busy with questions that nobody waits for any more. */
export const READ_POOL = { max: 4, queryTimeoutMs: READ_WAIT_MS + 1_000, connectTimeoutMs: 3_000 };

export type Reader = { pool: Pool; waitMs?: number };

/**
 * Throws DATABASE_SLOW, another OperatorError of the connection, ROLES_MISSING, DATABASE_BEHIND, or what `ask` throws. Only a question
 * `with identities` may read emails and names.
 */
export async function readAs<T>(
  { pool, waitMs = READ_WAIT_MS }: Reader,
  role: 'without identities' | 'with identities',
  ask: (db: Db) => Promise<T>,
): Promise<T> {
  const taken = role === 'with identities' ? PII_READER : READER;
  try {
    return await askDatabase(pool, waitMs, async (tx) => {
      await takeRole(tx, taken);
      return ask(tx);
    });
  } catch (error) {
    throw forReaders(error, taken);
  }
}

// No such table, schema, function or column.
const LACKING = ['42P01', '3F000', '42883', '42703'];

/** What an error means for somebody who only reads. */
function forReaders(error: unknown, role: typeof READER | typeof PII_READER): unknown {
  if (!isOperatorError(error)) return error;
  if (error.code === 'DATABASE_PERMISSION') return rolesMissing(role, error);
  const { code } = (rootCause(error.cause) ?? {}) as { code?: unknown };
  if (error.code !== 'DATABASE_ERROR' || !LACKING.includes(String(code))) return error;
  return new OperatorError({
    code: 'DATABASE_BEHIND',
    happened: 'The database lacks a table, view or function that this version reads',
    means: 'It was not migrated, or only in part, and its history cannot be shown',
    todo: 'Run `zt-risk-sync migrate` with the login of the worker',
    cause: error,
  });
}
