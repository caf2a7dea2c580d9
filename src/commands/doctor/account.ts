// Checks one account in the database: running sync, freshness, last runs, history, waiting records. Judges in small
// pure functions.
import type { Config } from '../../config.ts';
import type { Pool } from '../../db/pool.ts';
import type { Lookups } from '../../evidence.ts';
import {
  accountHealth,
  activeAccounts,
  countAbsent,
  newestWalks,
  type AccountHealth,
  type EndedWalk,
} from '../../queries/accounts/account-health.ts';
import { countWaiting, leaseHolder, type LeaseHolder } from '../../queries/accounts/account-internals.ts';
import { longestInterval, staleAfter } from '../../time/schedule.ts';
import { LEASE_TIMING } from '../../sync/claim/lease.ts';
import { isKnownDead } from '../../host/process-identity.ts';
import { checkInDatabase } from './database.ts';
import { checkCounts, checkHistory, checkRetention } from './history.ts';
import { checkIdentities } from './identities.ts';
import { ACCOUNT_CHECKS, failedAs, ok, skipped, warning, type Line } from './lines.ts';
import { minute } from '../../time/when.ts';
import { duration, plural, printable } from '../../words.ts';

export type ExaminedAccount = { health: AccountHealth; walks: EndedWalk[] };

/**
 * The facts for the other checks. `known` is null for an account that the database does not know. `line` says why the
 * database could not be asked.
 */
export async function examineAccount(
  pool: Pool,
  accountId: string,
): Promise<{ known: ExaminedAccount | null; line: Line | null }> {
  const found: { known: ExaminedAccount | null } = { known: null };
  const line = await checkInDatabase(pool, 'freshness', 'schema risk', async (tx) => {
    const health = await accountHealth(tx, accountId);
    if (health !== null) found.known = { health, walks: await newestWalks(tx, health.accountKey, 2) };
    return ok('freshness', '');
  });
  return { known: found.known, line: line.status === 'ok' ? null : line };
}

/** The accounts to check if none is configured: all in the database that are not retired. */
export async function keptAccounts(pool: Pool): Promise<string[]> {
  const found: string[] = [];
  await checkInDatabase(pool, 'freshness', 'schema risk', async (tx) => {
    found.push(...(await activeAccounts(tx)));
    return ok('freshness', '');
  });
  return found;
}

export async function checkAccount(
  pool: Pool,
  config: Pick<Config, 'sync' | 'retention' | 'pii'>,
  { accountId, known }: { accountId: string; known: ExaminedAccount | null },
  timezone: string,
): Promise<Line[]> {
  if (known === null) {
    const never = warning('freshness', 'never synced into this database', 'Run `zt-risk-sync sync`');
    return ACCOUNT_CHECKS.map((check) =>
      check === 'freshness' ? never : skipped(check, 'there is no history yet'),
    );
  }
  const { health, walks } = known;
  const key = health.accountKey;
  return [
    await checkInDatabase(pool, 'lease', 'risk_internal.leases', async (tx) =>
      judgeLease(await leaseHolder(tx, key), timezone),
    ),
    judgeFreshness(health, longestInterval(config.sync.schedule, config.sync.timezone)),
    judgeLastRun(health),
    await checkHistory(pool, key),
    await checkCounts(pool, key),
    await checkRetention(pool, key, config.retention),
    await checkIdentities(pool, { accountKey: key, accountId }, config.pii),
    await checkInDatabase(pool, 'absences', 'risk.users', async (tx) =>
      judgeAbsences(await countAbsent(tx, key), walks[0]),
    ),
    await checkInDatabase(pool, 'rejected', 'risk_internal.rejected_records', async (tx) =>
      judgeRejected(await countWaiting(tx, key)),
    ),
  ];
}

export function judgeLease(holder: LeaseHolder | null, timezone = 'UTC'): Line {
  if (holder === null) return ok('lease', 'no sync is running');
  const { runId, startedAt, host, silentMs } = holder;
  const found = `run ${runId} since ${minute(startedAt, timezone)} on host ${printable(host)}`;
  if (isKnownDead(holder.process))
    return warning(
      'lease',
      `${found}; its process has died`,
      'Nothing to do: the next run takes over at once',
    );
  if (silentMs > LEASE_TIMING.leaseMs)
    return warning(
      'lease',
      `${found}, no heartbeat for ${duration(silentMs)}`,
      'Nothing to do: it is publishing or waits to, or the next run takes over',
    );
  return ok('lease', `${found}, last heartbeat ${duration(silentMs)} ago`);
}

export function judgeFreshness(
  health: Pick<AccountHealth, 'isRetired' | 'snapshot'>,
  intervalMs: number,
): Line {
  const { snapshot } = health;
  if (health.isRetired)
    return failedAs(
      'freshness',
      'ACCOUNT_RETIRED',
      'the account was retired, and is no longer synced',
      'Remove it from CLOUDFLARE_ACCOUNT_ID, or run `zt-risk-sync accounts restore`',
    );
  if (snapshot === null) return warning('freshness', 'no snapshot yet', 'Run `zt-risk-sync sync`');
  const found = `newest snapshot (${snapshot.snapshotId}) ${duration(snapshot.ageMs)} old`;
  if (snapshot.ageMs <= staleAfter(intervalMs)) return ok('freshness', found);
  return warning(
    'freshness',
    `${found}: more than twice the schedule's interval (${duration(intervalMs)})`,
    'Check that something starts `zt-risk-sync sync` on that schedule, and how the last runs ended: `zt-risk-sync status`',
  );
}

export function judgeLastRun({
  newestRun,
  failuresSince,
}: Pick<AccountHealth, 'newestRun' | 'failuresSince'>): Line {
  if (newestRun === null) return skipped('last_run', 'no run has ended yet');
  const { runId, status, errorCode, errorMessage, ageMs } = newestRun;
  const when = `run ${runId}, ${duration(ageMs)} ago`;
  if (failuresSince === 0) return ok('last_run', `succeeded (${when})`);
  const several = failuresSince > 1 ? `; ${plural(failuresSince, 'failed run')} in a row` : '';
  return warning(
    'last_run',
    `${status} (${when}): ${errorCode ?? 'no code'}${several}`,
    errorMessage?.replace(/\.$/, '') ?? `\`zt-risk-sync status --run ${runId}\` shows what happened`,
  );
}

export function judgeAbsences(absent: number, walk: Pick<EndedWalk, 'runId' | 'evidence'> | undefined): Line {
  const {
    state,
    waiting = 0,
    unreadable = 0,
    insisting = 0,
  }: Partial<Lookups> = walk?.evidence.lookups ?? {};
  if (insisting > 0)
    return warning(
      'absences',
      `the own records of ${plural(insisting, 'user')} still show a level after five complete walks without them`,
      'Nothing is decided: these users stay present. Compare one of them with the Zero Trust dashboard, and report what you see',
    );
  const found =
    absent === 0
      ? 'no user is absent'
      : `${plural(absent, 'user')} absent, ${waiting} waiting to be asked about`;
  if (state === 'unanswered')
    return warning(
      'absences',
      `${found}; run ${walk?.runId} got no answer about absent users`,
      'No user is cleared, and the next run asks again. If this continues, see `lookups`, and `status --run` for what happened',
    );
  if (state === 'refused' || state === 'control_failed')
    return warning(
      'absences',
      `${found}; run ${walk?.runId} could not ask about absent users (${state})`,
      'See `lookups`: until this is fixed, absent users are cleared after two complete walks without them',
    );
  if (unreadable > 0)
    return warning(
      'absences',
      `${found}; run ${walk?.runId} got no readable answer about ${plural(unreadable, 'user')}`,
      'The next run asks again, and until then they stay present. If this continues, SYNC_CONFIRM=walks lets two complete walks decide',
    );
  return ok('absences', found);
}

export function judgeRejected(waiting: number): Line {
  if (waiting === 0) return ok('rejected', 'no rejected records are waiting');
  return warning(
    'rejected',
    `${plural(waiting, 'rejected record')} waiting; their users keep the last good state`,
    'Run `zt-risk-sync rejected list` for the reasons',
  );
}
