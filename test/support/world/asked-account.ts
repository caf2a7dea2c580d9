// An account that is synced again and again: who is in the summary, and what the users' own records say.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CloudflareClient } from '../../../src/cloudflare/client.ts';
import type { UserRecord } from '../../../src/cloudflare/endpoints/user-record.ts';
import { OperatorError, type ErrorCode } from '../../../src/errors.ts';
import { createLogger } from '../../../src/logger.ts';
import type { RunDeps, RunResult } from '../../../src/sync/run-sync.ts';
import type { MigratedDatabase } from '../database/migrated-database.ts';
import { uuidOf } from './random-world.ts';
import { serveRecords } from '../api/serve-records.ts';
import { runSyncOf } from '../stage.ts';

/** Of a user without email and name, as all users of this account are. */
export const LEVEL: UserRecord = {
  riskLevel: 'low',
  lastResetTime: null,
  newestEvent: null,
  hasUnreadableEvents: false,
  email: null,
  name: null,
};
/** No level, and no reset that would prove it. */
export const NO_LEVEL: UserRecord = { ...LEVEL, riskLevel: null };
export const RESET: UserRecord = { ...NO_LEVEL, lastResetTime: '2026-01-02T00:00:00Z' };
export type Said = UserRecord | null | OperatorError;
export type Say = (userId: string, nth: number, signal?: AbortSignal) => Said | Promise<Said>;

export const user = (n: number) => uuidOf(`ask ${n}`);
/** A record without a readable user. */
export const UNREADABLE = -1;
export const record = (n: number) => ({
  ...(n === UNREADABLE ? {} : { user_id: user(n) }),
  max_risk_level: 'low',
  event_count: 1,
  last_event: '2026-01-01T00:00:00Z',
});
export const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => from + index);

export function problem(code: ErrorCode): OperatorError {
  return new OperatorError({
    code,
    happened: 'told so',
    means: 'nothing',
    todo: 'nothing',
  });
}

export function askedAccount(db: MigratedDatabase) {
  const accountId = randomBytes(16).toString('hex');
  const asked: string[] = [];
  const logs: string[] = [];
  const logger = createLogger({
    level: 'warn',
    secrets: [],
    pretty: false,
    destination: { write: (line: string) => void logs.push(line) },
  });
  async function sync(
    shown: readonly number[],
    say: Say,
    over: Partial<RunDeps['settings']> & { total?: number; accept?: boolean; dryRun?: boolean } = {},
  ): Promise<RunResult & { asked: string[] }> {
    const { total = shown.length, accept = false, dryRun = false, ...settings } = over;
    asked.length = 0;
    const client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> = {
      summaryPage: ({ page, perPage, openReader }) => {
        const records = shown.slice((page - 1) * perPage, page * perPage).map(record);
        return serveRecords(records, { total_count: total }, openReader);
      },
      lookUpUser: async ({ userId, signal }) => {
        signal.throwIfAborted();
        const said = await say(userId, asked.push(userId), signal);
        signal.throwIfAborted();
        if (said instanceof OperatorError) throw said;
        return said;
      },
    };
    const outcome = await runSyncOf(
      accountId,
      { pool: db.pool, client, logger, settings: { perPage: 1_000, concurrency: 1, ...settings } },
      { acceptMassClear: accept, dryRun },
    );
    return { ...outcome, asked: [...asked] };
  }
  const column = async (text: string) =>
    (
      await db.rows<{ value: string }>(
        `select ${text} as value from risk.users u join risk.accounts a using (account_key)
          where a.account_id = $1 order by u.user_key`,
        [accountId],
      )
    ).map(({ value }) => value);
  return { sync, logs, column, accountId };
}

export const nobodyGone: Say = () => LEVEL;
/** Users from `n` on were reset. */
export const goneFrom =
  (n: number): Say =>
  (userId) =>
    range(0, n).some((one) => user(one) === userId) ? LEVEL : RESET;
export const evidenceOf = (result: RunResult) => result.facts.evidence.lookups!;

/** Answers like `say`, but the `nth` lookup never answers until it is aborted, and later lookups take a moment. */
export function hangingAt(nth: number, say: Say): Say {
  return async (userId, now, signal) => {
    if (now === nth && signal !== undefined && !signal.aborted) await once(signal, 'abort');
    if (now > nth) await sleep(100);
    return say(userId, now, signal);
  };
}
