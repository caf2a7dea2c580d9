// The loop of all accounts: looks at those whose rest is over, starts those that are due, and rests until there may be
// work again. After an error it rests longer.
import { isOperatorError, type OperatorError } from '../errors.ts';
import { withLogFields, type Logger } from '../logger.ts';
import { accountRetired } from '../sync/claim/account-row.ts';
import type { FactsOfAccounts } from '../sync/claim/slot-facts.ts';
import type { SyncOutcome, SyncRequest } from '../sync/request-sync.ts';
import { createAgenda, type Agenda, type DueAccount } from './agenda.ts';
import type { Alarm } from './alarm.ts';
import { inOrder, type Due } from './order.ts';
import { planRun, type BackOff, type Plan, type Slot } from './plan.ts';
import { createTroubles, type Troubles, type TroubleTiming } from './troubles.ts';

export type LoopTiming = TroubleTiming & {
  /** How often the loop looks at an account that is not due. This finds a slot after a lost trigger. */
  lookMs: number;
  /** How often the loop looks at an account while another process syncs it: that process may die. */
  heldMs: number;
  /** The shortest rest between two looks that no event has prompted: accounts then share a look. */
  gatherMs: number;
  /**
   * The greatest age of facts when a run begins. Older facts are asked for again: another replica may have been
   * quicker.
   */
  freshMs: number;
};

/** Which accounts are synced. The list may change at any time. */
export type Accounts = {
  ids(): readonly string[];
  /** Whether the list is a choice of accounts by name. If not, a retired account in it is no mistake. */
  isByName: boolean;
  /** Called before each look. May read the list again, now or in the background. */
  refresh(slot: Slot | null): void;
};

export type LoopDeps = {
  timing: LoopTiming;
  backOff: BackOff | undefined;
  /** Accounts synced side by side. */
  atOnce: number;
  accounts: Accounts;
  logger: Pick<Logger, 'info' | 'error' | 'isLevelEnabled'>;
  signal: AbortSignal;
  alarm: Pick<Alarm, 'rings' | 'rest' | 'wake'>;
  currentSlot: () => Slot | null;
  facts: (accountIds: readonly string[], slot: Date | null) => Promise<FactsOfAccounts>;
  run: (request: Omit<SyncRequest, 'signal'>) => Promise<SyncOutcome>;
  /** Waits until there is room for another account. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
};

type What = 'looks' | 'claims';

type Loop = LoopDeps & {
  agenda: Agenda;
  troubles: Troubles;
  /** Retired accounts that were already reported. */
  retired: Set<string>;
  /** Accounts on an unreachable node of a distributed history, and the error that showed it. */
  away: Map<string, What>;
  /** The slot for which the accounts were last looked at. */
  slot: Slot | null;
  /** Before this time, nothing is asked or started: the database cannot be used. */
  pausedUntil: number;
  /** The accounts in `away` rest until then. */
  awayUntil: number;
  runs: Set<Promise<void>>;
};

/** How many accounts are asked about beyond the free places. */
const MORE = 12;

/** Resolves when `signal` is aborted and no run is under way. */
export async function keepSynced(deps: LoopDeps): Promise<void> {
  const { signal, alarm, timing, logger } = deps;
  const loop: Loop = {
    ...deps,
    agenda: createAgenda(),
    troubles: createTroubles(timing, logger),
    retired: new Set(),
    away: new Map(),
    slot: null,
    pausedUntil: 0,
    awayUntil: 0,
    runs: new Set(),
  };
  while (!signal.aborted) {
    const ringsBefore = alarm.rings();
    try {
      await turn(loop);
    } catch (error) {
      if (signal.aborted) break;
      pauseAll(loop, 'looks', error);
    }
    // If a slot fired in between, do not rest.
    if (alarm.rings() === ringsBefore) await alarm.rest(restOf(loop));
  }
  await Promise.allSettled(loop.runs);
}

/** Looks at the accounts whose rest is over, and starts the due ones while there is room. */
async function turn(loop: Loop): Promise<void> {
  const { agenda, accounts, atOnce, signal } = loop;
  const slot = loop.currentSlot();
  accounts.refresh(slot);
  agenda.keep(accounts.ids());
  if (isNews(slot, loop.slot)) agenda.wakeAll();
  loop.slot = slot;
  const now = performance.now();
  if (now < loop.pausedUntil) return;
  agenda.addDue(await look(loop, agenda.toAsk(now), slot), performance.now());
  while (agenda.hasDue() && agenda.busy() < atOnce && !signal.aborted) await startSome(loop, slot);
}

/** As many as there is room for, and some more, because other replicas may have been quicker with the first ones. */
async function startSome(loop: Loop, slot: Slot | null): Promise<void> {
  const { agenda, atOnce, runs } = loop;
  const due = await stillDue(loop, agenda.takeDue(atOnce + MORE), slot);
  const room = atOnce - agenda.busy();
  for (const { accountId } of due.slice(0, room)) {
    agenda.begin(accountId);
    const run = runOne(loop, accountId, slot).finally(() => runs.delete(run));
    runs.add(run);
  }
  for (const { accountId, askedAt } of due.slice(room)) agenda.putBack([accountId], askedAt);
}

/** Another slot, or the schedule has now fired for the slot that was found by looking back. */
function isNews(slot: Slot | null, before: Slot | null): boolean {
  return (
    slot?.at.getTime() !== before?.at.getTime() || (slot?.hasFired === true && before?.hasFired === false)
  );
}

/** Asks again if the facts are old: another replica may have been quicker. */
async function stillDue(loop: Loop, next: readonly DueAccount[], slot: Slot | null): Promise<DueAccount[]> {
  const freshFrom = performance.now() - loop.timing.freshMs;
  const old = next.filter(({ askedAt }) => askedAt <= freshFrom).map(({ accountId }) => accountId);
  const still = await look(loop, old, slot);
  const askedAt = performance.now();
  return [
    ...next.filter((one) => one.askedAt > freshFrom),
    ...still.map((accountId) => ({ accountId, askedAt })),
  ];
}

/** Asks about accounts with one statement, lets those rest that are not due, and returns the others in their order. */
async function look(loop: Loop, accountIds: readonly string[], slot: Slot | null): Promise<string[]> {
  if (accountIds.length === 0) return [];
  const { agenda, timing, backOff } = loop;
  const { known, away } = await loop.facts(accountIds, slot?.at ?? null);
  loop.troubles.over('looks');
  noteAway(loop, 'looks', away);
  for (const accountId of away.keys()) agenda.rest(accountId, loop.awayUntil);
  const now = performance.now();
  // One time for the whole look, so that accounts that are decided together also rest together.
  const spread = jitter();
  const due: Due[] = [];
  for (const [accountId, facts] of known) {
    if (loop.away.get(accountId) === 'looks') noteAnswers(loop, accountId);
    noteRetired(loop, accountId, facts.isRetired);
    const plan = planRun(slot, facts, backOff);
    if (plan.do === 'run') due.push({ accountId, facts });
    else agenda.rest(accountId, now + spread * restAfter(plan, timing));
  }
  return inOrder(due, slot?.intervalMs ?? 0, Math.random).map(({ accountId }) => accountId);
}

function restAfter(plan: Exclude<Plan, { do: 'run' }>, { lookMs, heldMs }: LoopTiming): number {
  if (plan.do === 'held') return heldMs;
  return plan.do === 'wait' ? Math.min(plan.ms, lookMs) : lookMs;
}

/** One run, from its turn to its end, and how long the account rests afterwards. Never rejects. */
async function runOne(loop: Loop, accountId: string, slot: Slot | null): Promise<void> {
  const { agenda, signal, alarm, timing } = loop;
  const request = { accountId, trigger: 'cron', ...(slot && { scheduledFor: slot.at }) } as const;
  let restMs = timing.lookMs;
  try {
    const outcome = await loop.inTurn(async () =>
      signal.aborted ? null : withLogFields({ account_id: accountId }, () => loop.run(request)),
    );
    loop.troubles.over('claims');
    loop.troubles.over(accountId);
    noteAnswers(loop, accountId);
    if (outcome?.kind === 'already_running') restMs = timing.heldMs;
    // After a failed run, the loop looks at the account again at once: the database then says how long to wait.
    if (outcome?.kind === 'ran' && outcome.result.error !== null) restMs = 0;
  } catch (error) {
    if (!signal.aborted) restMs = troubleOf(loop, accountId, error);
  }
  const isOver = isNews(loop.slot, slot);
  agenda.end(accountId, isOver ? 0 : performance.now() + jitter() * restMs);
  alarm.wake();
}

/** A claim fails mostly because of the database. So the failure holds back all accounts, and is logged once for all. */
function troubleOf(loop: Loop, accountId: string, error: unknown): number {
  if (isOperatorError(error) && error.code === 'DATABASE_NODE_AWAY')
    return noteAway(loop, 'claims', new Map([[accountId, error]]));
  const isOfAccount = !isOperatorError(error) || error.code === 'ACCOUNT_RETIRED';
  if (isOfAccount)
    return loop.troubles.met(accountId, error, 'account cannot be synced now, trying again', {
      account_id: accountId,
    });
  pauseAll(loop, 'claims', error);
  return 0;
}

/** Accounts on other nodes go on. Returns how long the accounts of this node rest. */
function noteAway(loop: Loop, what: What, away: ReadonlyMap<string, OperatorError>): number {
  const [error] = away.values();
  if (error === undefined) return 0;
  for (const accountId of away.keys()) loop.away.set(accountId, what);
  const now = performance.now();
  // Accounts that fail at one moment fail for one reason.
  if (now >= loop.awayUntil) {
    const message = 'accounts of an unreachable node cannot be synced now, trying again';
    loop.awayUntil = now + jitter() * loop.troubles.met('nodes', error, message, { accounts: away.size });
  }
  return loop.awayUntil - now;
}

/** Another node may still be unreachable. The next attempt finds that, and logs it again. */
function noteAnswers({ away, troubles }: Loop, accountId: string): void {
  if (!away.has(accountId)) return;
  away.clear();
  troubles.over('nodes');
}

function pauseAll(loop: Loop, what: What, error: unknown): void {
  const now = performance.now();
  // Runs that fail at one moment fail for one reason.
  if (now < loop.pausedUntil) return;
  const ms = loop.troubles.met(what, error, 'accounts cannot be synced now, trying again');
  loop.pausedUntil = now + jitter() * ms;
}

/** A retired account is left out. In a list by name it is a mistake, which is reported once. */
function noteRetired({ retired, accounts, logger }: Loop, accountId: string, isRetired: boolean): void {
  if (!isRetired) {
    retired.delete(accountId);
    return;
  }
  if (retired.has(accountId)) return;
  retired.add(accountId);
  if (!accounts.isByName) return logger.info({ account_id: accountId }, 'account is retired, leaving it out');
  const { code, happened, todo } = accountRetired(accountId);
  logger.error(
    { account_id: accountId, error_code: code, problem: happened, todo },
    'account is retired, leaving it out',
  );
}

function restOf({ agenda, timing, pausedUntil }: Loop): number {
  const now = performance.now();
  if (now < pausedUntil) return pausedUntil - now;
  // The end of a run wakes the loop, which starts accounts that are due.
  const ms = agenda.nextAt() - now;
  return Math.min(timing.lookMs, Math.max(timing.gatherMs, ms));
}

/** Without this random part, replicas that started together would always ask together. */
function jitter(): number {
  return 0.8 + 0.4 * Math.random();
}
