// Numbers, times and ids as ASCII, from the bytes that PostgreSQL sends. Strings would take twice the time and garbage.

/** The bytes up to `at` are written. Writers need room: growFor() makes it. `days`: see writeTime. */
export type Text = { bytes: Buffer; at: number; days: Map<number, Buffer> };

export function emptyText(): Text {
  return { bytes: Buffer.allocUnsafe(FIRST_BYTES), at: 0, days: new Map() };
}

const FIRST_BYTES = 1 << 18;

export function growFor(text: Text, bytes: number): void {
  if (text.at + bytes <= text.bytes.length) return;
  const larger = Buffer.allocUnsafe(2 * (text.at + bytes));
  text.bytes.copy(larger, 0, 0, text.at);
  text.bytes = larger;
}

export function copyText(text: Text, source: Uint8Array): void {
  const { bytes, at } = text;
  const { length } = source;
  for (let n = 0; n < length; n++) bytes[at + n] = source[n]!;
  text.at = at + length;
}

const ZERO = 48;
const MINUS = 45;
const HEX = Buffer.from('0123456789abcdef');

/** A whole number, 2^53 at most. */
export function writeDecimal(text: Text, value: number): void {
  const { bytes } = text;
  let rest = value;
  if (rest < 0) {
    bytes[text.at++] = MINUS;
    rest = -rest;
  }
  let digits = 1;
  for (let limit = 10; rest >= limit; limit *= 10) digits++;
  for (let at = text.at + digits - 1; at >= text.at; at--) {
    const next = Math.floor(rest / 10);
    bytes[at] = ZERO + (rest - next * 10);
    rest = next;
  }
  text.at += digits;
}

export function writeUuid(text: Text, from: Buffer, start: number): void {
  const { bytes } = text;
  let { at } = text;
  for (let n = 0; n < 16; n++) {
    if (n === 4 || n === 6 || n === 8 || n === 10) bytes[at++] = MINUS;
    const byte = from[start + n]!;
    bytes[at++] = HEX[byte >> 4]!;
    bytes[at++] = HEX[byte & 15]!;
  }
  text.at = at;
}

/** PostgreSQL counts microseconds from the year 2000. */
const EPOCH_DAY = 10_957;
const DAY_SECONDS = 86_400;
const DAY_MS = 86_400_000;
const DAYS_KEPT = 4_096;

/** "2026-03-01T09:00:00.000000Z". A double holds no such number of microseconds, so halves are divided. */
export function writeTime(text: Text, from: Buffer, start: number): void {
  const high = from.readInt32BE(start);
  // 2^32 = 4,294 million + 967,296.
  const low = high * 967_296 + from.readUInt32BE(start + 4);
  const carry = Math.floor(low / 1e6);
  const seconds = high * 4_294 + carry;
  const number = Math.floor(seconds / DAY_SECONDS);
  copyText(text, text.days.get(number) ?? newDay(text.days, number));
  const { bytes, at } = text;
  const second = seconds - number * DAY_SECONDS;
  const minute = Math.floor(second / 60);
  const hour = Math.floor(minute / 60);
  pair(bytes, at, hour);
  bytes[at + 2] = 58;
  pair(bytes, at + 3, minute - hour * 60);
  bytes[at + 5] = 58;
  pair(bytes, at + 6, second - minute * 60);
  bytes[at + 8] = 46;
  const micros = low - carry * 1e6;
  const ten = Math.floor(micros / 10_000);
  const hundred = Math.floor(micros / 100);
  pair(bytes, at + 9, ten);
  pair(bytes, at + 11, hundred - ten * 100);
  pair(bytes, at + 13, micros - hundred * 100);
  bytes[at + 15] = 90;
  text.at = at + 16;
}

function pair(bytes: Buffer, at: number, value: number): void {
  const ten = Math.floor(value / 10);
  bytes[at] = ZERO + ten;
  bytes[at + 1] = ZERO + value - ten * 10;
}

/** A calendar is slow, and rows of a day stand together. */
function newDay(days: Text['days'], number: number): Buffer {
  if (days.size === DAYS_KEPT) days.clear();
  const iso = new Date((number + EPOCH_DAY) * DAY_MS).toISOString();
  const text = Buffer.from(iso.slice(0, iso.indexOf('T') + 1));
  days.set(number, text);
  return text;
}
