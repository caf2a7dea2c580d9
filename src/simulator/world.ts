// The simulated account over time: what the summary would serve at any instant. Depends only on seed and instant. For a
// later instant it computes only the new events; for an earlier one it starts again from the beginning.
import { RISK_LEVELS } from '../user-risk.ts';
import type { RiskLevel, UserRisk } from '../user-risk.ts';
import { beginLife, liveUntil, nextMoment } from './life.ts';
import type { Life, WorldPlan } from './life.ts';
import { seatOf } from './people.ts';
import { uuid } from './random.ts';
import { DAY_US, isoMicros, microsOf, earlyInWeek } from './rhythm.ts';

export type Campaign = {
  /** Days after `start`. Moves to the next Monday if it is a Thursday or later. */
  day?: number;
  /** Share of all users who fall for it. */
  share?: number;
  /** Each victim is reset within about this many days after the mistake. */
  cleanUpDays?: number;
};

export type WorldOptions = {
  seed: number;
  /** About how many users are present at any time. People come and go, but the number stays steady. */
  users: number;
  start: Date;
  /**
   * Only decides when the campaign begins: after two thirds; no campaign below 14 days. The world continues afterwards,
   * so Infinity is allowed.
   */
  days: number;
  /** Null: no campaign. */
  campaign?: Campaign | null;
};

export type UserEvent = { id: string; name: string; risk_level: RiskLevel; timestamp: string };

export type OwnRecord = {
  email: string;
  name: string;
  /** Missing after a reset, until the next event. */
  risk_level?: RiskLevel;
  last_reset_time: string | null;
  /** Newest first, at most 100. Includes events before the last reset. */
  events: UserEvent[];
};

export type World = {
  /** Newest `last_event` first. A new array of shared, frozen rows. */
  at(instant: Date): UserRisk[];
  /** Null: the user was never seen, or has left. */
  user(userId: string, instant: Date): OwnRecord | null;
};

// The company runs for a while before `start`, so that levels and counters are typical from the start on.
const WARM_UP_DAYS = 45;
// At any time some seats are vacant and some users are reset (measured over 90 days without a campaign).
const SEATS_PER_USER = 1.06;
const EVENTS_KEPT = 100;

export function createWorld(options: WorldOptions): World {
  const plan = planOf(options);
  let story = beginStory(plan);
  return {
    at(instant) {
      const until = microsOf(instant);
      if (until < story.until) story = beginStory(plan);
      tellUntil(story, plan, until);
      return story.list.slice();
    },
    user(userId, instant) {
      return recordOf(plan, userId, microsOf(instant));
    },
  };
}

function planOf(options: WorldOptions): WorldPlan {
  const start = microsOf(options.start);
  const seed = options.seed | 0;
  const beginning = start - WARM_UP_DAYS * DAY_US;
  const asked = options.campaign === undefined && options.days < 14 ? null : (options.campaign ?? {});
  const day = asked?.day ?? (Number.isFinite(options.days) ? Math.round((options.days * 2) / 3) : 60);
  return {
    seed,
    seats: Math.round(options.users * SEATS_PER_USER),
    beginning,
    settled: start,
    campaign:
      asked === null || options.campaign === null
        ? null
        : {
            from: earlyInWeek(start + day * DAY_US),
            share: asked.share ?? 0.14,
            cleanUpDays: asked.cleanUpDays ?? 12,
          },
  };
}

/**
 * All lives at one instant, and their summary. `order` holds the seats of the present users in the order of the
 * listing.
 */
type Story = {
  until: number;
  lives: Life[];
  next: Float64Array;
  rows: (UserRisk | null)[];
  order: number[];
  list: UserRisk[];
};

function beginStory(plan: WorldPlan): Story {
  const lives = Array.from({ length: plan.seats }, (_, seat) => beginLife(plan, seat));
  const next = Float64Array.from(lives, nextMoment);
  const rows: (UserRisk | null)[] = lives.map(() => null);
  return { until: Number.NEGATIVE_INFINITY, lives, next, rows, order: [], list: [] };
}

function tellUntil(story: Story, plan: WorldPlan, until: number): void {
  const { lives, next, rows } = story;
  const before = story.until;
  story.until = until;
  const acted: Life[] = [];
  let changed = false;
  for (let seat = 0; seat < next.length; seat += 1) {
    const life = lives[seat];
    if (life === undefined || (next[seat] ?? 0) > until) continue;
    changed = true;
    next[seat] = liveUntil(life, plan, until);
    rows[seat] = rowOf(life);
    if (life.level >= 0 && life.lastEvent > before) acted.push(life);
  }
  if (!changed) return;
  // Users with newer events are before all others. The others keep their order, so only the newer ones are sorted.
  acted.sort((a, b) => b.lastEvent - a.lastEvent || a.seat - b.seat);
  const order = acted.map((life) => life.seat);
  for (const seat of story.order) {
    const life = lives[seat];
    if (life !== undefined && life.level >= 0 && life.lastEvent <= before) order.push(seat);
  }
  story.order = order;
  story.list = [];
  for (const seat of order) {
    const row = rows[seat];
    if (row != null) story.list.push(row);
  }
}

function rowOf(life: Life): UserRisk | null {
  const level = RISK_LEVELS[life.level];
  if (life.person === null || level === undefined) return null;
  return Object.freeze({
    user_id: life.person.userId,
    email: life.person.email,
    name: life.person.name,
    max_risk_level: level,
    event_count: life.eventCount,
    last_event: isoMicros(life.lastEvent),
  });
}

// Replays one seat from the beginning, so that no past events need to be kept.
function recordOf(plan: WorldPlan, userId: string, until: number): OwnRecord | null {
  const seat = seatOf(plan.seed, userId);
  if (!(seat < plan.seats)) return null;
  const events: UserEvent[] = [];
  let told = 0;
  const life = beginLife(plan, seat);
  liveUntil(life, plan, until, {
    hired: () => events.splice(0),
    behaved: ({ generation }, { name, risk_level }, at) => {
      told += 1;
      const id = uuid(plan.seed, seat, generation, told);
      events.push({ id, name, risk_level, timestamp: isoMicros(at) });
    },
  });
  if (life.person?.userId !== userId || events.length === 0) return null;
  const level = RISK_LEVELS[life.level];
  return {
    email: life.person.email,
    name: life.person.name,
    ...(level === undefined ? {} : { risk_level: level }),
    last_reset_time: life.lastReset === null ? null : isoMicros(life.lastReset),
    events: events.slice(-EVENTS_KEPT).toReversed(),
  };
}
