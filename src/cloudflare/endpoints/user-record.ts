// Reads two things from a user's own record: whom it belongs to, and what decides whether the user has a level. Knows
// no summary and no history.
import * as z from 'zod';
import { isDateTime } from './summary/date-time.ts';

/** The part of a user's own record that matters here. Its other fields are never read. */
export type UserRecord = {
  /** As served. Any text counts as a level. Null: no level. */
  riskLevel: string | null;
  /** RFC 3339, as served. */
  lastResetTime: string | null;
  /** The time of the newest readable event, RFC 3339 as served; null if there is none. */
  newestEvent: string | null;
  /** Whether any event lacks a readable time: that event may be newer than all others. */
  hasUnreadableEvents: boolean;
  /** As served. Null if missing, or not text. */
  email: string | null;
  name: string | null;
};

const dateTime = z.string().refine(isDateTime);

const text = z.string().nullish().catch(null);

const RecordEnvelope = z.object({
  success: z.literal(true),
  // An answer without a record says nothing about the user, so it is not accepted.
  result: z.object({
    risk_level: z.string().min(1).nullish(),
    last_reset_time: dateTime.nullish(),
    events: z.array(z.unknown()).nullish(),
    email: text,
    name: text,
  }),
});

const Event = z.object({ timestamp: dateTime });

/** Null if the JSON is not a record. Then it is unknown whether the user has a level. */
export function readUserRecord(json: unknown): UserRecord | null {
  const parsed = RecordEnvelope.safeParse(json);
  if (!parsed.success) return null;
  const { risk_level, last_reset_time, events, email, name } = parsed.data.result;
  return {
    riskLevel: risk_level ?? null,
    lastResetTime: last_reset_time ?? null,
    ...readEvents(events ?? []),
    email: email ?? null,
    name: name ?? null,
  };
}

function readEvents(events: readonly unknown[]): Pick<UserRecord, 'newestEvent' | 'hasUnreadableEvents'> {
  let newestEvent: string | null = null;
  let hasUnreadableEvents = false;
  for (const event of events) {
    const read = Event.safeParse(event);
    if (!read.success) hasUnreadableEvents = true;
    else if (newestEvent === null || compareInstants(read.data.timestamp, newestEvent) > 0)
      newestEvent = read.data.timestamp;
  }
  return { newestEvent, hasUnreadableEvents };
}

/**
 * Below 0, 0 or above 0 if the first instant is earlier, the same or later. Compares RFC 3339 date-times to the last
 * digit served.
 */
export function compareInstants(a: string, b: string): number {
  const [left, right] = [instantOf(a), instantOf(b)];
  if (left.second !== right.second) return left.second - right.second;
  const digits = Math.max(left.fraction.length, right.fraction.length);
  const [x, y] = [left.fraction.padEnd(digits, '0'), right.fraction.padEnd(digits, '0')];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Date has milliseconds only. */
function instantOf(text: string): { second: number; fraction: string } {
  const [whole, rest] = [text.slice(0, 19), text.slice(19)];
  const offset = rest.replace(/^\.\d+/, '');
  const fraction = rest.slice(1, rest.length - offset.length);
  return { second: Date.parse(`${whole}${offset}`.toUpperCase()) / 1000, fraction };
}
