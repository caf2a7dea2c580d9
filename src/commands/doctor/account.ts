// One account in the database: who is syncing it, how fresh it is, how its runs ended, what waits. Looks, and judges in
// small pure functions.
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
import { look } from './database.ts';
import { checkCounts, checkHistory } from './history.ts';
import { failedAs, ok, skipped, warning, type Check, type Line } from './lines.ts';
import { duration, minute, plural, printable } from '../../words.ts';

export const ACCOUNT_CHECKS = [
  'lease',
  'freshness',
  'last_run',
  'history',
  'counts',
  'absences',
  'rejected',
] as const satisfies readonly Check[];

export type KnownAccount = { health: AccountHealth; walks: EndedWalk[] };

/** What the other checks go by: `known` is null for an account that this database does not know, `line` says why it cannot tell. */
export async function findAccount(
  pool: Pool,
  accountId: string,
): Promise<{ known: KnownAccount | null; line: Line | null }> {
  const found: { known: KnownAccount | null } = { known: null };
  const line = await look(pool, 'freshness', 'schema risk', async (tx) => {
    const health = await accountHealth(tx, accountId);
    if (health !== null) found.known = { health, walks: await newestWalks(tx, health.accountKey, 2) };
    return ok('freshness', '');
  });
  return { known: found.known, line: line.status === 'ok' ? null : line };
}

/** When none is configured, all that this database keeps. */
export async function keptAccounts(pool: Pool): Promise<string[]> {
  const found: string[] = [];
  await look(pool, 'freshness', 'schema risk', async (tx) => {
    found.push(...(await activeAccounts(tx)));
    return ok('freshness', '');
  });
  return found;
}

export async function checkAccount(
  pool: Pool,
  config: Pick<Config, 'sync'>,
  known: KnownAccount | null,
): Promise<Line[]> {
  if (known === null) {
    const never = warning('freshness', 'never synced into this database', 'Run `zt-risk-sync sync`');
    return ACCOUNT_CHECKS.map((check) =>
      check === 'freshness' ? never : skipped(check, 'there is no history of it yet'),
    );
  }
  const { health, walks } = known;
  const key = health.accountKey;
  return [
    await look(pool, 'lease', 'risk_internal.leases', async (tx) => judgeLease(await leaseHolder(tx, key))),
    judgeFreshness(health, longestInterval(config.sync.schedule, config.sync.timezone)),
    judgeLastRun(health),
    await checkHistory(pool, key),
    await checkCounts(pool, key),
    await look(pool, 'absences', 'risk.users', async (tx) =>
      judgeAbsences(await countAbsent(tx, key), walks[0]),
    ),
    await look(pool, 'rejected', 'risk_internal.rejected_records', async (tx) =>
      judgeRejected(await countWaiting(tx, key)),
    ),
  ];
}

export function judgeLease(holder: LeaseHolder | null): Line {
  if (holder === null) return ok('lease', 'no run is under way');
  const { runId, startedAt, host, silentMs } = holder;
  const found = `run ${runId} since ${minute(startedAt)} on host ${printable(host)}`;
  if (isKnownDead(holder.process))
    return warning('lease', `${found}; its process has died`, 'Nothing: the next run takes over at once');
  if (silentMs > LEASE_TIMING.leaseMs)
    return warning('lease', `${found}, silent for ${duration(silentMs)}`, 'Nothing: the next run takes over');
  return ok('lease', `${found}, last sign of life ${duration(silentMs)} ago`);
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
      'the account was retired, and is synced no more',
      'Take it out of CLOUDFLARE_ACCOUNT_ID, or `zt-risk-sync accounts restore`',
    );
  if (snapshot === null) return warning('freshness', 'no snapshot yet', 'Run `zt-risk-sync sync`');
  const found = `newest snapshot (${snapshot.snapshotId}) ${duration(snapshot.ageMs)} old`;
  if (snapshot.ageMs <= staleAfter(intervalMs)) return ok('freshness', found);
  return warning(
    'freshness',
    `${found}: more than twice the schedule's interval (${duration(intervalMs)})`,
    'See that something starts `zt-risk-sync sync` on that schedule, and how the last runs ended: `zt-risk-sync status`',
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
  const several = failuresSince > 1 ? `; ${plural(failuresSince, 'run')} without a success` : '';
  return warning(
    'last_run',
    `${status} (${when}): ${errorCode ?? 'no code'}${several}`,
    errorMessage?.replace(/\.$/, '') ?? `\`zt-risk-sync status --run ${runId}\` tells what it met`,
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
      `the records of ${plural(insisting, 'user')} insist on a level through five complete walks that lack them`,
      'Nothing is decided: they stay present. Compare one of them with the Zero Trust dashboard, and report what you see',
    );
  const found =
    absent === 0 ? 'nobody is absent' : `${plural(absent, 'user')} absent, ${waiting} waiting to be asked`;
  if (state === 'unanswered')
    return warning(
      'absences',
      `${found}; run ${walk?.runId} got no answer about them`,
      'Nobody is cleared, and the next run asks again. If that stays so, see `lookups`, and `status --run` for what the run met',
    );
  if (state === 'refused' || state === 'control_failed')
    return warning(
      'absences',
      `${found}; run ${walk?.runId} could not ask about them (${state})`,
      'See `lookups`: until that is mended, absent users are cleared after two complete walks that lack them',
    );
  if (unreadable > 0)
    return warning(
      'absences',
      `${found}; ${plural(unreadable, 'record')} gave run ${walk?.runId} no readable answer`,
      'They are asked again, and stay present meanwhile. If that stays so, SYNC_CONFIRM=walks lets two complete walks decide',
    );
  return ok('absences', found);
}

export function judgeRejected(waiting: number): Line {
  if (waiting === 0) return ok('rejected', 'no record waits');
  return warning(
    'rejected',
    `${plural(waiting, 'rejected record')} waiting; their users keep the last good state`,
    'Run `zt-risk-sync rejected list` for the reasons',
  );
}
