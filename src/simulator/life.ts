// One seat (position) of the simulated company over time: a person is hired, misbehaves, is reset, renamed, leaves, and
// is replaced. All random values are from the seat's own generator, in order of time. So the state of a seat at an
// instant does not depend on earlier questions.
import { RISK_LEVELS } from '../user-risk.ts';
import { PHISHED, pickBehaviour } from './behaviours.ts';
import type { Behaviour } from './behaviours.ts';
import { hirePerson, renamePerson } from './people.ts';
import type { Person } from './people.ts';
import { exponential, hash, normal, uniform } from './random.ts';
import type { Rng } from './random.ts';
import { afterBusyDays, DAY_US, HOUR_US } from './rhythm.ts';

/** What all seats of a world share. Instants are microseconds since 1970. */
export type WorldPlan = {
  seed: number;
  seats: number;
  /** Nothing happens before this. */
  beginning: number;
  /** By then, every person hired at the beginning has had an event. */
  settled: number;
  /** `from` is a midnight; `share` of all seats are victims. */
  campaign: { from: number; share: number; cleanUpDays: number } | null;
};

export type Life = {
  readonly seat: number;
  readonly rng: Rng;
  /** How many people held this seat before. */
  generation: number;
  person: Person | null;
  /** Behaviours per busy day. The next field: hours ahead of UTC. */
  rate: number;
  offset: number;
  /** Index into RISK_LEVELS; -1 while the user has no level. */
  level: number;
  /** Since the last reset, which sets it back to 0. */
  eventCount: number;
  lastEvent: number;
  lastReset: number | null;
  hireAt: number;
  behaveAt: number;
  resetAt: number;
  renameAt: number;
  leaveAt: number;
  lureAt: number;
};

export type Witness = { behaved(life: Life, behaviour: Behaviour, at: number): void; hired(): void };

const NEVER = Number.POSITIVE_INFINITY;
// Administrators reset high users within days and medium users within weeks. They hardly ever reset low users.
const RESET_AFTER_BUSY_DAYS = [400, 20, 4.5];
const TENURE_DAYS = 900;
const RENAME_EVERY_DAYS = 1500;
const VACANT_BUSY_DAYS = 12;
// Most users are in Europe, so that working hours are visible in UTC.
const OFFSETS = [1, 1, 1, 1, 0, 0, 2, -5, -5, 8];

export function beginLife(plan: WorldPlan, seat: number): Life {
  return {
    seat,
    rng: { state: hash(plan.seed, seat, 1) },
    generation: -1,
    person: null,
    rate: 0,
    offset: 0,
    level: -1,
    eventCount: 0,
    lastEvent: 0,
    lastReset: null,
    hireAt: plan.beginning,
    behaveAt: NEVER,
    resetAt: NEVER,
    renameAt: NEVER,
    leaveAt: NEVER,
    lureAt: lureTime(plan, seat),
  };
}

/** The time of the next event in this seat. */
export function nextMoment(life: Life): number {
  return Math.min(life.hireAt, life.behaveAt, life.resetAt, life.renameAt, life.leaveAt, life.lureAt);
}

/** Applies all events up to and including `until`. Returns the time of the next event. */
export function liveUntil(life: Life, plan: WorldPlan, until: number, witness?: Witness): number {
  let at = nextMoment(life);
  while (at <= until) {
    if (at === life.hireAt) hire(life, plan, at, witness);
    else if (at === life.leaveAt) leave(life, at);
    else if (at === life.resetAt) reset(life, at);
    else if (at === life.lureAt) fallForIt(life, plan, at, witness);
    else if (at === life.renameAt) rename(life, at);
    else {
      behave(life, pickBehaviour(uniform(life.rng)), at, witness);
      life.behaveAt = afterBusyDays(at, exponential(life.rng, 1 / life.rate), life.offset);
    }
    at = nextMoment(life);
  }
  return at;
}

function hire(life: Life, plan: WorldPlan, at: number, witness?: Witness): void {
  const { rng } = life;
  life.generation += 1;
  life.person = hirePerson(plan.seed, plan.seats, life.seat, life.generation);
  // A few users cause most events.
  life.rate = Math.min(5, Math.max(0.08, 0.35 * Math.exp(0.9 * normal(rng))));
  life.offset = OFFSETS[Math.floor(uniform(rng) * OFFSETS.length)]!;
  life.hireAt = NEVER;
  life.behaveAt = afterBusyDays(at, exponential(rng, 1 / life.rate), life.offset);
  if (life.generation === 0 && life.behaveAt > plan.settled) {
    life.behaveAt = afterBusyDays(at, (uniform(rng) * 0.9 * (plan.settled - at)) / DAY_US, life.offset);
  }
  life.renameAt = afterBusyDays(at, exponential(rng, RENAME_EVERY_DAYS), life.offset);
  life.leaveAt = afterBusyDays(at, exponential(rng, TENURE_DAYS), life.offset);
  witness?.hired();
}

function behave(life: Life, behaviour: Behaviour, at: number, witness?: Witness): void {
  const level = RISK_LEVELS.indexOf(behaviour.risk_level);
  life.eventCount += 1;
  life.lastEvent = at;
  if (level > life.level) {
    life.level = level;
    const patience = exponential(life.rng, RESET_AFTER_BUSY_DAYS[level]!);
    life.resetAt = afterBusyDays(at, patience, life.offset);
  }
  witness?.behaved(life, behaviour, at);
}

function reset(life: Life, at: number): void {
  life.level = -1;
  life.eventCount = 0;
  life.lastReset = at;
  life.resetAt = NEVER;
}

function rename(life: Life, at: number): void {
  if (life.person !== null) life.person = renamePerson(life.person, uniform(life.rng));
  life.renameAt = afterBusyDays(at, exponential(life.rng, RENAME_EVERY_DAYS), life.offset);
}

function leave(life: Life, at: number): void {
  reset(life, at);
  life.person = null;
  life.lastReset = null;
  life.behaveAt = life.renameAt = life.leaveAt = NEVER;
  life.hireAt = afterBusyDays(at, exponential(life.rng, VACANT_BUSY_DAYS), life.offset);
}

function fallForIt(life: Life, plan: WorldPlan, at: number, witness?: Witness): void {
  life.lureAt = NEVER;
  if (life.person === null || plan.campaign === null) return;
  behave(life, PHISHED, at, witness);
  // Clean-up happens in office hours: a small part of a busy day moves a reset at night to the next morning.
  const cleaned = at + (0.8 + uniform(life.rng) * plan.campaign.cleanUpDays) * DAY_US;
  life.resetAt = afterBusyDays(Math.floor(cleaned), 0.05, life.offset);
}

// Uses a separate generator, so that a campaign changes nothing before it begins.
function lureTime(plan: WorldPlan, seat: number): number {
  if (plan.campaign === null) return NEVER;
  const rng: Rng = { state: hash(plan.seed, seat, 2) };
  if (uniform(rng) >= plan.campaign.share) return NEVER;
  const haste = uniform(rng);
  const day = haste < 0.7 ? 0 : haste < 0.9 ? 1 : 2;
  return Math.floor(plan.campaign.from + day * DAY_US + (7 + uniform(rng) * 11) * HOUR_US);
}
