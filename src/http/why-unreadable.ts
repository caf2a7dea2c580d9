// Why a page or the API could not be answered, in words for the person who looks at it, who may not know the database.
import { checkMigrations, databaseBehind } from '../db/migrate.ts';
import type { Pool } from '../db/pool.ts';
import { roleMayRead, rolesMissing, type PII_READER, type READER } from '../db/roles.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import { rootCause } from '../logger.ts';
import { askDatabase } from './ask-database.ts';

/** The role has no right to read what the query names. */
const FORBIDDEN = '42501';
/** It does not exist: no such schema, table, column or function. */
const NOT_THERE = ['3F000', '42P01', '42703', '42883'];

export async function whyUnreadable(
  pool: Pool,
  waitMs: number,
  role: typeof READER | typeof PII_READER,
  error: unknown,
): Promise<unknown> {
  if (isOperatorError(error) && /^DATABASE_(UNAVAILABLE|NODE_AWAY)$/.test(error.code))
    return unavailable(error);
  const { code } = (rootCause(isOperatorError(error) ? error.cause : error) ?? {}) as { code?: unknown };
  if (code !== FORBIDDEN && !NOT_THERE.includes(String(code))) return error;
  try {
    return await askDatabase(pool, waitMs, async (tx) => {
      const state = await checkMigrations(tx);
      if (state.pending > 0) return databaseBehind(state);
      if (code !== FORBIDDEN) return incomplete(error);
      return (await roleMayRead(tx, role)) ? error : rolesMissing(role);
    });
  } catch (worse) {
    // Such as the database of a newer release.
    return isOperatorError(worse) ? worse : error;
  }
}

/** The texts for a command speak of running it again. */
function unavailable({ code, happened, cause }: OperatorError): OperatorError {
  return new OperatorError({
    code,
    happened,
    means: 'Pages and the API have nothing to show without it',
    todo: 'Check that the database runs. Then load the page again',
    cause,
  });
}

/** All migrations are recorded, but a person has dropped an object that one of them made. */
function incomplete(cause: unknown): OperatorError {
  return new OperatorError({
    code: 'DATABASE_BEHIND',
    happened: 'The database lacks a table, view or function that this version reads',
    means: 'It was changed by hand, or restored in part, and its history cannot be shown',
    todo: 'Run `zt-risk-sync doctor`: it names what is missing',
    cause,
  });
}
