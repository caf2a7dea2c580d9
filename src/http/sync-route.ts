// POST /sync: starts a run for each named account, or for all accounts. Does not wait for the runs to end.
import { Hono } from 'hono';
import * as z from 'zod';
import { toAccountId } from '../account-file.ts';
import { EXIT, isOperatorError, type ErrorCode, type ExitCode } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { problem } from './problem.ts';

/**
 * `started` has a run_id. `already_running` names the run in progress. `queued` waits until another account's run ends.
 */
export type SyncStart = {
  status: 'started' | 'already_running' | 'queued';
  run_id?: number;
  since?: string;
  host?: string;
};
/** Resolves when it is known whether the run started. Throws an OperatorError. */
export type StartSync = (accountId: string) => Promise<SyncStart>;

export type SyncDeps = {
  /** The accounts that may be synced now. */
  accountIds(): readonly string[];
  startSync: StartSync;
  isStopping(): boolean;
  logger: Pick<Logger, 'error'>;
};

const Body = z
  .strictObject({ account_id: z.string(), account_ids: z.array(z.string()).min(1) })
  .partial()
  .refine((body) => body.account_id === undefined || body.account_ids === undefined);

export function syncRoute(deps: SyncDeps): Hono {
  return new Hono().post('/sync', async (c) => {
    if (deps.isStopping()) return problem(c, 'STOPPING');
    const named = namedIn(await c.req.text());
    if (named === undefined) return problem(c, 'REQUEST_INVALID');
    const configured = deps.accountIds();
    const wanted = named ?? configured;
    const isConfigured = new Set(configured);
    if (!wanted.every((id) => isConfigured.has(id))) return problem(c, 'ACCOUNT_NOT_CONFIGURED');
    const outcomes = await Promise.all(wanted.map((id) => start(deps, id)));
    const accounts = outcomes.map(({ account }) => account);
    const failures = outcomes.flatMap(({ exit }) => (exit === null ? [] : [exit]));
    if (failures.length === 0 || failures.length < outcomes.length) return c.json({ accounts }, 202);
    return c.json({ accounts }, failures.every((exit) => exit === EXIT.tryLater) ? 503 : 500);
  });
}

/** Null: the body names no account. Undefined: the body is not valid. */
function namedIn(text: string): string[] | null | undefined {
  if (text.trim() === '') return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = Body.safeParse(json);
  if (data === undefined) return undefined;
  const ids = data.account_ids ?? (data.account_id === undefined ? null : [data.account_id]);
  return ids && [...new Set(ids.map(toAccountId))];
}

type Outcome = {
  account: { account_id: string } & (
    | SyncStart
    | { status: 'failed'; error: { code: ErrorCode; message: string } }
  );
  /** Exit code of the error. Null if there is none. */
  exit: ExitCode | null;
};

async function start({ startSync, logger }: SyncDeps, accountId: string): Promise<Outcome> {
  const failed = (code: ErrorCode, message: string, exit: ExitCode): Outcome => ({
    account: { account_id: accountId, status: 'failed', error: { code, message } },
    exit,
  });
  try {
    return { account: { account_id: accountId, ...(await startSync(accountId)) }, exit: null };
  } catch (error) {
    if (isOperatorError(error)) return failed(error.code, error.message, error.exit);
    logger.error({ err: error, account_id: accountId }, 'sync could not be started');
    return failed('UNEXPECTED', 'An unexpected error occurred; the server log has the details', EXIT.failed);
  }
}
