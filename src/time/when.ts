// Reads the times that people write, and formats the local time of an instant. Pure: the caller passes the current
// time.
import { instantOfWall, offsetAt, wallAt } from './zones.ts';

export type When = { kind: 'instant'; at: Date } | { kind: 'snapshot'; id: number };
export type Clock = { now: Date; timezone: string };

export const WHEN_HELP =
  'a date (2026-03-01: the start of that day), a time (2026-03-01T09:00, "yesterday 18:00"), a span back from now (24h, 7d, 12w), now, today or yesterday';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const SPAN_MS: Readonly<Record<string, number>> = { m: MINUTE, h: HOUR, d: 24 * HOUR, w: 168 * HOUR };
const SPAN = /^(\d{1,5}) ?(min|minutes?|h|hours?|d|days?|w|weeks?)(?: ago)?$/;
const DAY = /^(today|yesterday|\d{4}-\d\d-\d\d)(?:[t ](.+))?$/;
const TIME = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?: ?(z|utc|[+-]\d\d:?\d\d))?$/;
const SNAPSHOT = /^#?(\d{1,15})$/;

/**
 * Null if the text cannot be read. A time without an offset is in `timezone`. A time that clocks skip becomes later by
 * the change. For a time that occurs twice, the first one counts. In a span, a day has 24 hours.
 */
export function parseWhen(text: string, { now, timezone }: Clock): When | null {
  const words = text.trim().toLowerCase().replace(/\s+/g, ' ');
  if (words === 'now') return instant(now.getTime());
  const span = SPAN.exec(words);
  if (span) return instant(now.getTime() - Number(span[1]) * (SPAN_MS[span[2]!.charAt(0)] ?? 0));
  const id = SNAPSHOT.exec(words);
  if (id) return { kind: 'snapshot', id: Number(id[1]) };
  const day = DAY.exec(words);
  if (!day) return null;
  const midnight = midnightOf(day[1]!, now, timezone);
  const time = day[2] === undefined ? { ms: 0, offsetMs: null } : timeOfDay(day[2]);
  if (midnight === null || time === null) return null;
  const wall = midnight + time.ms;
  return instant(time.offsetMs === null ? instantOfWall(wall, timezone) : wall - time.offsetMs);
}

function instant(ms: number): When {
  return { kind: 'instant', at: new Date(ms) };
}

/** Local time, read as if it were UTC. */
function midnightOf(day: string, now: Date, timezone: string): number | null {
  if (day === 'today' || day === 'yesterday') {
    const wall = wallAt(now.getTime(), timezone);
    return Math.floor(wall / SPAN_MS['d']!) * SPAN_MS['d']! - (day === 'yesterday' ? SPAN_MS['d']! : 0);
  }
  const ms = Date.parse(`${day}T00:00:00Z`);
  // Date.parse reads the 30th of February as the 2nd of March.
  const isDay = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day) && day >= '1970';
  return isDay ? ms : null;
}

function timeOfDay(text: string): { ms: number; offsetMs: number | null } | null {
  const time = TIME.exec(text);
  if (!time) return null;
  const [hour, minute, second] = [Number(time[1]), Number(time[2]), Number(time[3] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59) return null;
  const ms =
    hour * HOUR + minute * MINUTE + second * 1000 + Number((time[4] ?? '0').padEnd(3, '0').slice(0, 3));
  const zone = time[5];
  if (zone === undefined) return { ms, offsetMs: null };
  if (zone === 'z' || zone === 'utc') return { ms, offsetMs: 0 };
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (hours > 15 || minutes > 59) return null;
  return { ms, offsetMs: (zone.startsWith('-') ? -1 : 1) * (hours * HOUR + minutes * MINUTE) };
}

/** The first instant of a local day, "2026-03-01": midnight, or the first instant after it if clocks skip midnight. */
export function startOfDay(day: string, timezone: string): Date {
  return new Date(instantOfWall(Date.parse(`${day}T00:00:00Z`), timezone));
}

/** "2026-03-01 09:00 UTC", in another zone with its offset: "2026-03-01 10:00 +01:00". All texts use this form. */
export function minute(at: Date | string, timezone = 'UTC'): string {
  const ms = new Date(at).getTime();
  return `${localMinute(new Date(ms), timezone)} ${timezone === 'UTC' ? 'UTC' : offset(offsetAt(ms, timezone))}`;
}

function offset(ms: number): string {
  const minutes = Math.abs(Math.round(ms / MINUTE));
  const two = (value: number) => String(value).padStart(2, '0');
  return `${ms < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** "2026-03-01 09:00", the local time in the zone. For tables, which name the zone once. */
export function localMinute(at: Date | string, timezone: string): string {
  return new Date(wallAt(new Date(at).getTime(), timezone)).toISOString().slice(0, 16).replace('T', ' ');
}
