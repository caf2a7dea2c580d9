// A small account that changes while it is read: a list in the order of the newest event, cut into pages, and every
// user's own record. A script changes the account before chosen requests. The account remembers what was true when, and
// what was served: an oracle may know nothing else. In process, because thousands of runs use it.
import type { CloudflareClient } from '../../../src/cloudflare/client.ts';
import { readUserRecord, type UserRecord } from '../../../src/cloudflare/endpoints/user-record.ts';
import { OperatorError, type ErrorCode } from '../../../src/errors.ts';
import { RISK_LEVELS, type RiskLevel } from '../../../src/user-risk.ts';
import { uuidOf } from '../world/random-world.ts';
import { refused } from './paging-world.ts';
import { serveRecords } from './serve-records.ts';

export type Served = {
  user_id: string;
  email: string;
  name: string;
  max_risk_level: RiskLevel;
  event_count: number;
  last_event: string;
};

export type Happening =
  | { kind: 'act'; who: number; level: RiskLevel }
  | { kind: 'reset'; who: number }
  | { kind: 'arrive'; level: RiskLevel }
  | { kind: 'leave'; who: number }
  | { kind: 'rename'; who: number };

type Inhabitant = {
  userId: string;
  name: string;
  level: RiskLevel | null;
  events: number;
  lastEvent: number;
  lastReset: number | null;
  /** The level before the last reset. Some servers may still show it. */
  oldLevel: RiskLevel | null;
  left: boolean;
  /** Spans of ticks without a level, from `from` up to but not including `to`. The last span may be open. */
  without: { from: number; to: number }[];
};

/** How a reset user's record looks. hollow: no level, no event and no reset. */
export type ResetStyle = 'no_level' | 'old_level' | 'not_found' | 'hollow';

/**
 * Odd records, which say nothing certain about their user:
 * - empty: `{}`
 * - no_level: no level, although there is an event and no reset
 * - no_event: a level, a reset and no event
 * - broken_event: an event without a readable time
 * - stranger: another user's record
 * - future: a reset that has not happened yet
 * - hollow: no level, no event and no reset
 */
export const ODD_RECORDS = [
  'empty',
  'no_level',
  'no_event',
  'broken_event',
  'stranger',
  'future',
  'hollow',
] as const;
export type OddRecord = (typeof ODD_RECORDS)[number];

export type LookupFault = 'down' | 'garbled' | 'blind' | 'refused' | OddRecord;

export type RunScript = {
  /** What happens before the n-th request of the run (from 1). */
  during: readonly { before: number; what: Happening }[];
  /** The API is down from this request on; null: it stays up. */
  downFrom: number | null;
  /** From this lookup on, records give a wrong answer for a number of lookups; null: all answers are right. */
  lookups: { from: number; times: number; mode: LookupFault } | null;
  /** These requests, counted from 1, are refused if they are for a page after the first. Null: none. */
  refused: { from: number; times: number; status: 404 | 400 | 500 } | null;
  /** What the server states as its total, compared with the truth; null: it states none. */
  total: number | null;
  /** Called before each request, for faults of the process itself. */
  onRequest?(nth: number): void;
};

const START = Date.parse('2026-01-01T00:00:00Z');

export type LivingAccount = ReturnType<typeof createLivingAccount>;

/**
 * `everything`: every answer is the whole list, whatever page is requested. `beyond`: how a page after the last one is
 * answered.
 */
export function createLivingAccount(
  name: string,
  style: ResetStyle,
  everything = false,
  beyond: 'empty' | 'refused' = 'empty',
) {
  const people: Inhabitant[] = [];
  let tick = 0;
  let script: RunScript | null = null;
  let requests = 0;
  let lookups = 0;
  let served = new Map<string, Served>();

  const present = () => people.filter((one) => one.level !== null);

  function happen(what: Happening): void {
    tick++;
    if (what.kind === 'arrive') {
      const userId = uuidOf(`${name}/${people.length}`);
      const inhabitant: Inhabitant = {
        userId,
        name: `user ${people.length}`,
        level: null,
        events: 0,
        lastEvent: 0,
        lastReset: null,
        oldLevel: null,
        left: false,
        without: [{ from: 0, to: Number.POSITIVE_INFINITY }],
      };
      people.push(inhabitant);
      return act(inhabitant, what.level);
    }
    const candidates = people.filter((one) => !one.left && (what.kind === 'act' || one.level !== null));
    const who = candidates[what.who % Math.max(1, candidates.length)];
    if (who === undefined) return;
    if (what.kind === 'act') act(who, what.level);
    if (what.kind === 'rename') who.name = `${who.name}'`;
    if (what.kind === 'reset' || what.kind === 'leave') {
      who.oldLevel = who.level;
      who.level = null;
      who.events = 0;
      who.lastReset = tick;
      who.left = what.kind === 'leave';
      who.without.push({ from: tick, to: Number.POSITIVE_INFINITY });
    }
  }

  function act(who: Inhabitant, level: RiskLevel): void {
    const rank = (one: RiskLevel | null) => (one === null ? -1 : RISK_LEVELS.indexOf(one));
    const open = who.without.at(-1);
    if (who.level === null && open !== undefined) open.to = tick;
    who.level = rank(level) > rank(who.level) ? level : who.level;
    who.events++;
    who.lastEvent = tick;
  }

  /** The program cannot see this coming: the world changes before every answer. */
  function beforeAnswer(signal: AbortSignal): void {
    requests++;
    tick++;
    for (const { before, what } of script?.during ?? []) if (before === requests) happen(what);
    script?.onRequest?.(requests);
    signal.throwIfAborted();
    if (script?.downFrom != null && requests >= script.downFrom) throw failure('CLOUDFLARE_UNAVAILABLE');
  }

  function refusePage(page: number, isBeyond: boolean): void {
    const fault = script?.refused;
    const isNow = fault != null && requests >= fault.from && requests < fault.from + fault.times;
    if (page > 1 && isNow) throw refused(fault.status);
    if (isBeyond) throw refused(404, 'CLOUDFLARE_7003');
  }

  const client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'> = {
    async summaryPage({ page, perPage, signal, openReader }) {
      beforeAnswer(signal);
      const list = present().toSorted((a, b) => b.lastEvent - a.lastEvent);
      const last = everything ? page : Math.max(1, Math.ceil(list.length / perPage));
      refusePage(page, beyond === 'refused' && page > last);
      const rows = everything ? list : list.slice((page - 1) * perPage, page * perPage);
      const records = rows.map(recordOf);
      for (const record of records) served.set(record.user_id, record);
      const by = script === null ? 0 : script.total;
      const info = by === null ? {} : { total_count: Math.max(0, list.length + by) };
      return serveRecords(records, info, openReader);
    },
    async lookUpUser({ userId, signal }): Promise<UserRecord | null> {
      beforeAnswer(signal);
      lookups++;
      const fault = script?.lookups;
      const isFaulty = fault != null && lookups >= fault.from && lookups < fault.from + fault.times;
      const mode = isFaulty ? fault.mode : null;
      if (mode === 'blind') return null;
      const codes = { down: 'NETWORK', garbled: 'BAD_ANSWER', refused: 'LOOKUPS_REFUSED' } as const;
      if (mode === 'down' || mode === 'garbled' || mode === 'refused') throw failure(codes[mode]);
      const who = people.find((one) => one.userId === userId);
      if (mode !== null) return read(oddRecord(mode, who ?? stranger(userId), stranger(userId)));
      if (who === undefined || who.left) return null;
      if (who.level === null && style === 'not_found') return null;
      if (who.level === null && style === 'hollow') return read(oddRecord('hollow', who, who));
      return read(ownRecord(who, style === 'old_level' ? who.oldLevel : null));
    },
  };

  /** Another person, whom the account may never have seen. */
  function stranger(userId: string): Inhabitant {
    const other = people.find((one) => one.userId !== userId) ?? people[0]!;
    return { ...other, userId: uuidOf(`${name}/stranger`), name: 'a stranger' };
  }

  return {
    client,
    happen,
    /** Begins a run, and starts to note what it is served. */
    begin(next: RunScript): void {
      script = next;
      requests = 0;
      lookups = 0;
      served = new Map();
    },
    /** Forgets what was served so far: it is lost, and will be read again. */
    forget(): void {
      served = new Map();
    },
    now: () => tick,
    /** The record last served for each user in this run. */
    served: () => served as ReadonlyMap<string, Served>,
    /** What the summary would say if it were read in one instant. */
    truth: () => new Map(present().map((one) => [one.userId, recordOf(one)])),
    /** Whether the user was without a level at some instant of the span, ends included. */
    wasWithout(userId: string, from: number, to: number): boolean {
      const who = people.find((one) => one.userId === userId);
      return who === undefined || who.without.some((span) => span.from <= to && span.to > from);
    },
  };
}

/** What an honest server says. `afterReset`: the level that it still shows then. */
function ownRecord(who: Inhabitant, afterReset: RiskLevel | null) {
  return {
    email: `${who.userId}@example.com`,
    name: who.name,
    events: who.lastEvent === 0 ? [] : [{ timestamp: instant(who.lastEvent) }],
    last_reset_time: who.lastReset === null ? null : instant(who.lastReset),
    risk_level: who.level ?? afterReset,
  };
}

function oddRecord(mode: OddRecord, who: Inhabitant, other: Inhabitant): object {
  const record = ownRecord(who, who.oldLevel);
  const level = who.level ?? who.oldLevel ?? 'low';
  // Newer than the event that the summary may last have served, but not than the newest one.
  const reset = instant(Math.max(1, who.lastEvent - 1));
  switch (mode) {
    case 'empty':
      return {};
    case 'no_level':
      return { ...record, risk_level: null, last_reset_time: null };
    case 'no_event':
      return { ...record, risk_level: level, events: [], last_reset_time: reset };
    case 'broken_event':
      return { ...record, risk_level: null, events: [{ timestamp: 'lately' }], last_reset_time: reset };
    case 'stranger':
      return { ...ownRecord({ ...other, level: null }, null), last_reset_time: '2026-06-01T00:00:00Z' };
    case 'future':
      return { ...record, risk_level: null, last_reset_time: '2126-01-01T00:00:00Z' };
    case 'hollow':
      return { ...record, risk_level: null, events: [], last_reset_time: null };
  }
}

/** Read by the program itself, because what the program reads in such a record is what matters. */
function read(result: object): UserRecord {
  const record = readUserRecord({ success: true, errors: [], messages: [], result });
  if (record === null) throw failure('BAD_ANSWER');
  return record;
}

function recordOf(who: Inhabitant): Served {
  return {
    user_id: who.userId,
    email: `${who.userId}@example.com`,
    name: who.name,
    max_risk_level: who.level!,
    event_count: who.events,
    last_event: instant(who.lastEvent),
  };
}

/** A tick is a microsecond. */
function instant(ticks: number): string {
  const ms = Math.floor(ticks / 1000);
  return `${new Date(START + ms).toISOString().slice(0, -1)}${String(ticks % 1000).padStart(3, '0')}Z`;
}

function failure(code: ErrorCode): OperatorError {
  return new OperatorError({
    code,
    happened: 'told so',
    means: 'nothing',
    todo: 'nothing',
  });
}
