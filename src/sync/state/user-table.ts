// What the worker knows about an account's users while it walks: one row of 64 bytes per user, and an index of their
// ids. Memory only; it knows no database and no record.
import { getRandomValues } from 'node:crypto';
import type { PostgresInstant } from '../../db/postgres-instant.ts';
import type { HistoryName, IdentityField, UserField } from '../../user-risk.ts';

/** A row's level: 0 for a user who is not present, otherwise the rank in RISK_LEVELS, from 1. */
export type LevelRank = 0 | 1 | 2 | 3;

/** What the history holds about a user, or what a record says. `hash` covers email and name. */
export type UserValues = {
  level: LevelRank;
  eventCount: number;
  lastEvent: PostgresInstant;
  /** Two words. */
  hash: Uint32Array;
};

/**
 * Which value holds each field beside the identity. A new field breaks the build here, and a new value where values are
 * written as bytes.
 */
export const VALUE_OF = {
  max_risk_level: 'level',
  event_count: 'eventCount',
  last_event: 'lastEvent',
} as const satisfies Record<Exclude<UserField, IdentityField>, keyof UserValues>;

/** Distinct users, counted as records are noted. A reading is one attempt to read all pages. */
export type MetCounts = {
  /** Met by any record: in this reading, and in all readings. */
  anyThis: number;
  anyAll: number;
  /** Met by an accepted record: in this reading, in all readings, and in this reading as well as an earlier one. */
  acceptedThis: number;
  acceptedAll: number;
  acceptedBoth: number;
};

export type UserTable = {
  /** The number of rows. Rows are numbered from 0 to size - 1. */
  size(): number;
  /** Bytes that rows and index take. */
  bytes(): number;
  /** Makes room in the index for this number of users, so that it does not grow step by step. */
  reserve(users: number): void;
  /** The row of a user id (16 bytes in four words); -1 if there is none. */
  find(id: Int32Array): number;
  /** The same, but adds the row if it is missing. */
  findOrAdd(id: Int32Array): number;
  /** Writes what the history holds about a user. */
  setKnown(row: number, key: number, values: UserValues, isAbsent: boolean): void;
  setIdentity(row: number, hash: Uint32Array): void;
  /** 0 for a user whom the history does not know. */
  key(row: number): number;
  /** The user id in lower case. */
  userId(row: number): string;
  writeUserId(row: number, into: Uint8Array): void;
  /** Compares the user ids of two rows, byte by byte: below 0, 0 or above 0. */
  compareIds(row: number, other: number): number;
  /** What the history holds. */
  level(row: number): LevelRank;
  eventCount(row: number): number;
  lastEvent(row: number): PostgresInstant;
  /** Whether the history says that the user is absent. */
  isAbsent(row: number): boolean;
  /**
   * Which parts of a record differ from the history, as any of the bits below. For a user whom the history does not
   * know, or who is not present, LEVEL differs.
   */
  compare(row: number, values: UserValues): number;

  /** Begins a new reading: users met so far count as met earlier. */
  beginReading(): void;
  /** Notes that the user had a record. */
  note(row: number, isAccepted: boolean): void;
  counts(): Readonly<MetCounts>;
  wasMet(row: number): boolean;
  wasAccepted(row: number): boolean;

  /**
   * The number of the last change that was kept for the user, 0 for none. A change that was taken back keeps its
   * number.
   */
  change(row: number): number;
  /** Whether that change still counts. */
  isChanged(row: number): boolean;
  /** Whether the last change that was kept for the user has this hash. */
  holdsChange(row: number, hash: Uint32Array): boolean;
  setChange(row: number, change: number, hash: Uint32Array): void;
  /** Called if the last accepted record equals what the history holds. */
  takeBackChange(row: number): void;
};

/** Parts of a record, as bits: one for each history. */
const BIT_OF = { level: 1, activity: 2, identity: 4 } as const satisfies Record<HistoryName, number>;
export const LEVEL = BIT_OF.level;
export const ACTIVITY = BIT_OF.activity;
export const IDENTITY = BIT_OF.identity;
const EVERYTHING = LEVEL | ACTIVITY | IDENTITY;

// A row: words 0-3 user id, 4 key, 5 event_count, 6-7 seconds of last_event, 8 its microseconds, 9-10 hash of the
// identity, 11 change, 12-13 hash of the change, 14 flags, 15 free. 64 bytes are one cache line.
const WORDS = 16;
const ROW_BYTES = WORDS * 4;
// Rows are added in pieces of 4 MB. Growing one large array would need it twice for a moment.
const SEGMENT_BITS = 16;
const SEGMENT_ROWS = 1 << SEGMENT_BITS;
const SEGMENT_MASK = SEGMENT_ROWS - 1;

const LEVEL_BITS = 3;
const ABSENT = 1 << 2;
const ACCEPTED_THIS = 1 << 3;
const ANY_THIS = 1 << 4;
const ACCEPTED_EARLIER = 1 << 5;
const ANY_EARLIER = 1 << 6;
const CHANGED = 1 << 7;
const THIS = ACCEPTED_THIS | ANY_THIS;

export function createUserTable(): UserTable {
  const segments: Int32Array[] = [];
  const doubles: Float64Array[] = [];
  let rows = 0;
  // Open addressing: a slot holds the row's number plus one, or 0. At most three quarters are full.
  let index = new Int32Array(1024);
  // Others choose the ids. Without a secret key in the hash, they could make ids collide.
  const [mix0 = 1, mix1 = 1, mix2 = 1, mix3 = 1] = getRandomValues(new Int32Array(4)).map((word) => word | 1);
  const counts: MetCounts = { anyThis: 0, anyAll: 0, acceptedThis: 0, acceptedAll: 0, acceptedBoth: 0 };

  const words = (row: number): Int32Array => segments[row >>> SEGMENT_BITS] as Int32Array;
  const at = (row: number): number => (row & SEGMENT_MASK) * WORDS;
  const flags = (row: number): number => words(row)[at(row) + 14] as number;
  const setFlags = (row: number, value: number): void => {
    words(row)[at(row) + 14] = value;
  };
  const secondsOf = (row: number): number =>
    (doubles[row >>> SEGMENT_BITS] as Float64Array)[(row & SEGMENT_MASK) * (WORDS / 2) + 3] as number;

  function slotOf(w0: number, w1: number, w2: number, w3: number): number {
    let hash =
      Math.imul(w0, mix0) ^ Math.imul(w1, mix1) ^ Math.imul(w2 ^ (w2 >>> 15), mix2) ^ Math.imul(w3, mix3);
    hash = Math.imul(hash ^ (hash >>> 16), mix0);
    return (hash ^ (hash >>> 13)) & (index.length - 1);
  }

  /** The slot that holds the user, or the empty slot where the user belongs. */
  function slotFor(id: Int32Array): number {
    const w0 = id[0] as number;
    const w1 = id[1] as number;
    const w2 = id[2] as number;
    const w3 = id[3] as number;
    const slots = index;
    const mask = slots.length - 1;
    for (let slot = slotOf(w0, w1, w2, w3); ; slot = (slot + 1) & mask) {
      const row = (slots[slot] as number) - 1;
      if (row < 0) return slot;
      const from = at(row);
      const found = words(row);
      if (found[from] === w0 && found[from + 1] === w1 && found[from + 2] === w2 && found[from + 3] === w3)
        return slot;
    }
  }

  function resizeIndex(slots: number): void {
    index = new Int32Array(slots);
    const id = new Int32Array(4);
    for (let row = 0; row < rows; row++) {
      const from = at(row);
      const w = words(row);
      for (let n = 0; n < 4; n++) id[n] = w[from + n] as number;
      index[slotFor(id)] = row + 1;
    }
  }

  function add(id: Int32Array): number {
    if (rows >>> SEGMENT_BITS === segments.length) {
      const buffer = new ArrayBuffer(SEGMENT_ROWS * ROW_BYTES);
      segments.push(new Int32Array(buffer));
      doubles.push(new Float64Array(buffer));
    }
    const row = rows++;
    const w = words(row);
    const from = at(row);
    for (let n = 0; n < 4; n++) w[from + n] = id[n] as number;
    return row;
  }

  return {
    size: () => rows,
    bytes: () => segments.length * SEGMENT_ROWS * ROW_BYTES + index.byteLength,
    reserve(users) {
      let slots = index.length;
      while (users * 4 > slots * 3) slots *= 2;
      if (slots > index.length) resizeIndex(slots);
    },
    find: (id) => (index[slotFor(id)] as number) - 1,
    findOrAdd(id) {
      if ((rows + 1) * 4 > index.length * 3) resizeIndex(index.length * 2);
      const slot = slotFor(id);
      const row = (index[slot] as number) - 1;
      if (row >= 0) return row;
      index[slot] = rows + 1;
      return add(id);
    },
    setKnown(row, key, { level, eventCount, lastEvent, hash }, isAbsent) {
      const w = words(row);
      const from = at(row);
      w[from + 4] = key;
      w[from + 5] = eventCount;
      (doubles[row >>> SEGMENT_BITS] as Float64Array)[(row & SEGMENT_MASK) * (WORDS / 2) + 3] =
        lastEvent.seconds;
      w[from + 8] = lastEvent.micros;
      w[from + 9] = hash[0] as number;
      w[from + 10] = hash[1] as number;
      setFlags(row, (flags(row) & ~(LEVEL_BITS | ABSENT)) | level | (isAbsent ? ABSENT : 0));
    },
    setIdentity(row, hash) {
      words(row)[at(row) + 9] = hash[0] as number;
      words(row)[at(row) + 10] = hash[1] as number;
    },
    key: (row) => words(row)[at(row) + 4] as number,
    userId(row) {
      const w = words(row);
      const from = at(row);
      const hex = [0, 1, 2, 3]
        .map((n) => ((w[from + n] as number) >>> 0).toString(16).padStart(8, '0'))
        .join('');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
    writeUserId(row, into) {
      const w = words(row);
      const from = at(row);
      for (let n = 0; n < 16; n++) into[n] = (w[from + (n >> 2)] as number) >>> (24 - 8 * (n & 3));
    },
    compareIds(row, other) {
      const [w, o] = [words(row), words(other)];
      const [from, otherFrom] = [at(row), at(other)];
      for (let n = 0; n < 4; n++) {
        const difference = ((w[from + n] as number) >>> 0) - ((o[otherFrom + n] as number) >>> 0);
        if (difference !== 0) return difference;
      }
      return 0;
    },
    level: (row) => (flags(row) & LEVEL_BITS) as LevelRank,
    eventCount: (row) => words(row)[at(row) + 5] as number,
    lastEvent: (row) => ({ seconds: secondsOf(row), micros: words(row)[at(row) + 8] as number }),
    isAbsent: (row) => (flags(row) & ABSENT) !== 0,
    compare(row, { level, eventCount, lastEvent, hash }) {
      const w = words(row);
      const from = at(row);
      if (w[from + 4] === 0) return EVERYTHING;
      let parts = 0;
      if (((w[from + 14] as number) & LEVEL_BITS) !== level) parts |= LEVEL;
      if (
        w[from + 5] !== eventCount ||
        w[from + 8] !== lastEvent.micros ||
        secondsOf(row) !== lastEvent.seconds
      )
        parts |= ACTIVITY;
      if (w[from + 9] !== ((hash[0] as number) | 0) || w[from + 10] !== ((hash[1] as number) | 0))
        parts |= IDENTITY;
      return parts;
    },

    beginReading() {
      for (let row = 0; row < rows; row++) {
        const f = flags(row);
        // The bits of earlier readings are two places above the bits of this reading.
        if ((f & THIS) !== 0) setFlags(row, (f & ~THIS) | ((f & THIS) << 2));
      }
      counts.anyThis = 0;
      counts.acceptedThis = 0;
      counts.acceptedBoth = 0;
    },
    note(row, isAccepted) {
      const f = flags(row);
      let next = f | ANY_THIS;
      if ((f & ANY_THIS) === 0) {
        counts.anyThis++;
        if ((f & ANY_EARLIER) === 0) counts.anyAll++;
      }
      if (isAccepted && (f & ACCEPTED_THIS) === 0) {
        next |= ACCEPTED_THIS;
        counts.acceptedThis++;
        if ((f & ACCEPTED_EARLIER) === 0) counts.acceptedAll++;
        else counts.acceptedBoth++;
      }
      if (next !== f) setFlags(row, next);
    },
    counts: () => counts,
    wasMet: (row) => (flags(row) & (ANY_THIS | ANY_EARLIER)) !== 0,
    wasAccepted: (row) => (flags(row) & (ACCEPTED_THIS | ACCEPTED_EARLIER)) !== 0,

    change: (row) => words(row)[at(row) + 11] as number,
    isChanged: (row) => (flags(row) & CHANGED) !== 0,
    holdsChange(row, hash) {
      const w = words(row);
      const from = at(row);
      return (
        w[from + 11] !== 0 &&
        w[from + 12] === ((hash[0] as number) | 0) &&
        w[from + 13] === ((hash[1] as number) | 0)
      );
    },
    setChange(row, change, hash) {
      const w = words(row);
      const from = at(row);
      w[from + 11] = change;
      w[from + 12] = hash[0] as number;
      w[from + 13] = hash[1] as number;
      setFlags(row, flags(row) | CHANGED);
    },
    takeBackChange(row) {
      const f = flags(row);
      if ((f & CHANGED) !== 0) setFlags(row, f & ~CHANGED);
    },
  };
}

/** Empty values, to be filled. */
export function emptyValues(): UserValues {
  return { level: 0, eventCount: 0, lastEvent: { seconds: 0, micros: 0 }, hash: new Uint32Array(2) };
}

/** Reads a uuid of 16 bytes into four words. */
export function readUuid(bytes: Buffer, at: number, into: Int32Array): void {
  for (let n = 0; n < 4; n++) into[n] = bytes.readInt32BE(at + 4 * n);
}

/** Reads a uuid of 36 characters, hexadecimal in either case, into four words. */
export function readUserId(text: string, into: Int32Array): void {
  into[0] = (hex4(text, 0) << 16) | hex4(text, 4);
  into[1] = (hex4(text, 9) << 16) | hex4(text, 14);
  into[2] = (hex4(text, 19) << 16) | hex4(text, 24);
  into[3] = (hex4(text, 28) << 16) | hex4(text, 32);
}

/** The value of a hexadecimal digit, by its character code. */
const DIGITS = new Uint8Array(128);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  DIGITS[digit.charCodeAt(0)] = value;
  DIGITS[digit.toUpperCase().charCodeAt(0)] = value;
}

function hex4(text: string, from: number): number {
  return (
    (digit(text, from) << 12) |
    (digit(text, from + 1) << 8) |
    (digit(text, from + 2) << 4) |
    digit(text, from + 3)
  );
}

function digit(text: string, place: number): number {
  return DIGITS[text.charCodeAt(place)] as number;
}
