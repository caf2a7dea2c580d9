// Questions of pages and of the API: read-only, under the role for readers, all from one snapshot of the database, and
// within a bounded time. They have their own pool, so that a slow question never blocks a probe or a run.
import type { Context } from 'hono';
import type { Db } from '../db/handle.ts';
import type { Pool } from '../db/pool.ts';
import { PII_READER, READER, takeRole } from '../db/roles.ts';
import { OperatorError } from '../errors.ts';
import { askDatabase } from './ask-database.ts';
import type { Caller } from './auth.ts';
import { whyUnreadable } from './why-unreadable.ts';

export const READ_WAIT_MS = 10_000;
/** This number of requests may wait for a connection. More would time out anyway. */
const QUEUE = 32;
/** A question whose client has gone loses its connection at once, so that all connections serve clients who wait. */
export const READ_POOL = { max: 4, queryTimeoutMs: READ_WAIT_MS + 1_000, connectTimeoutMs: 3_000 };

const ROLES = { 'without identities': READER, 'with identities': PII_READER } as const;

export type Reader = { pool: Pool; waitMs?: number };

/** For the sender of the request: with emails and names if they may be shown. Ends when the client disconnects. */
export function readFor<T>(c: Context<Caller>, reader: Reader, ask: (db: Db) => Promise<T>): Promise<T> {
  const role = c.get('identities') === true ? 'with identities' : 'without identities';
  return readAs(reader, role, ask, c.req.raw.signal);
}

/**
 * Throws READERS_BUSY, DATABASE_SLOW, DATABASE_BEHIND, another OperatorError of the connection, ROLES_MISSING, or what
 * `ask` throws. Only a question `with identities` may read emails and names.
 */
export async function readAs<T>(
  { pool, waitMs = READ_WAIT_MS }: Reader,
  role: keyof typeof ROLES,
  ask: (db: Db) => Promise<T>,
  gone?: AbortSignal,
): Promise<T> {
  const { max } = pool.options;
  if (pool.waitingCount >= QUEUE) throw busy(max);
  const isFull = pool.idleCount === 0 && pool.totalCount >= max;
  let isConnected = false;
  const late = new AbortController();
  const cut = gone === undefined ? late.signal : AbortSignal.any([late.signal, gone]);
  const work = async (tx: Db & Parameters<typeof takeRole>[0]) => {
    isConnected = true;
    await takeRole(tx, ROLES[role]);
    return ask(tx);
  };
  try {
    return await askDatabase(pool, waitMs, work, cut);
  } catch (error) {
    if (isFull && !isConnected) throw busy(max, error);
    throw await whyUnreadable(pool, waitMs, ROLES[role], error);
  } finally {
    // The question ended in time, so nothing is left to cut.
    late.abort();
  }
}

function busy(max: number, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'READERS_BUSY',
    happened: `All ${max} database connections for pages and the API are busy`,
    means: 'Other questions take long. Syncs, probes and metrics go on: they have connections of their own',
    todo: 'Try again in a few seconds, or ask for a shorter range',
    cause,
  });
}
