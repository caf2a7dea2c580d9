// Compares each record of a walk with the account's state as it arrives. Unchanged records are dropped at once; changed
// records are kept in the change log. An answer takes effect as a whole, when it has ended.
import { parseRecord } from '../../cloudflare/endpoints/summary/record.ts';
import type { OpenReader } from '../../cloudflare/endpoints/summary/record-reader.ts';
import { readInstant } from '../../db/postgres-instant.ts';
import { RISK_LEVELS, type RiskLevel, type UserRisk } from '../../user-risk.ts';
import { encodeIdentity, IDENTITY_MAX_BYTES } from '../state/encode-identity.ts';
import { VALUES_BYTES, writeValues } from '../state/encode-values.ts';
import { keyedHash, type HashKey } from '../../keyed-hash.ts';
import {
  emptyValues,
  readUserId,
  type LevelRank,
  type UserTable,
  type UserValues,
} from '../state/user-table.ts';
import type { EmailAndName } from '../../pii-policy.ts';
import type { ChangeLog } from './change-log.ts';
import { countReason, type ReasonCounts } from './reason-counts.ts';
import type { IdentityPolicy } from './identity-policy.ts';
import type { Rejection } from './quarantine.ts';

/** A user whose record was accepted: what a lookup must know to serve as a control. */
export type KnownUser = EmailAndName & {
  userId: string;
  /** RFC 3339. */
  lastEvent: string;
};

/** The content of one answer, kept aside until it takes effect. */
export type PageOutcome = {
  records: number;
  /** Rejected records, and how many of them have no readable user. */
  rejected: number;
  unreadable: number;
  withoutEmail: number;
  withoutName: number;
  /** The rejected records kept with their text, and the number of others for each reason. */
  rejections: Rejection[];
  unkept: ReasonCounts;
  rejectedCharacters: number;
  /** The last few accepted records, as a ring. */
  lastMet: (UserRisk | undefined)[];
  accepted: number;
  /** The row of each record in the user table. Records without a readable user are not listed. */
  rows: number[];
  /** For each of these records: UNCHANGED, REJECTED, or a number of the change log. */
  changes: number[];
  /** The hashes of these changes, two words for each number. */
  hashes: number[];
};

const UNCHANGED = 0;
const REJECTED = -1;
/**
 * The number of users who can serve as controls. Several, because a user who was met may be reset before the lookup.
 */
const LAST_MET = 3;

/**
 * The characters of rejected records that one answer may keep until it takes effect. Several answers may be under way.
 * This limit is a thousand of the longest texts, or ten thousand short ones.
 */
const REJECTED_CHARACTERS = 4 * 1024 * 1024;
/** The characters that a rejection counts besides its text. */
const REJECTION_CHARACTERS = 400;
/** Memory that an answer takes for each record until it takes effect. */
const RECORD_BYTES = 32;
/** The number of records between two checks of the memory. */
const RECORDS_BETWEEN_CHECKS = 4_096;

export type Comparison = {
  /** Waits until the state is whole, because nothing may be compared before that. */
  openReader: OpenReader<PageOutcome>;
  /** Makes an answer take effect. If a user has several records, the one read last wins. */
  take(outcome: PageOutcome): void;
  /** The users with the records that were read last: they had the least time to be reset since. */
  lastMet(): readonly KnownUser[];
};

type Compared = {
  table: UserTable;
  key: HashKey;
  log: ChangeLog;
  /** Throws if the process lacks the memory for what is kept, and for `more` bytes. */
  checkMemory?: (more: number) => void;
};

/** `whole` resolves when `table` holds the account's present users. */
export function createComparison(
  state: Compared & { whole: Promise<unknown>; policy: IdentityPolicy | Promise<IdentityPolicy> },
): Comparison {
  let add: ReturnType<typeof createAdder> | undefined;
  let lastMet: KnownUser[] = [];
  return {
    async openReader() {
      await state.whole;
      const policy = await state.policy;
      add ??= createAdder(state, policy);
      const outcome = emptyOutcome();
      const addTo = add;
      return { add: (record) => addTo(outcome, record), end: () => outcome };
    },
    take(outcome) {
      takeChanges(state.table, outcome);
      lastMet = [...lastMet, ...newestOf(outcome)].slice(-LAST_MET);
    },
    lastMet: () => lastMet.toReversed(),
  };
}

function emptyOutcome(): PageOutcome {
  return {
    records: 0,
    rejected: 0,
    unreadable: 0,
    withoutEmail: 0,
    withoutName: 0,
    rejections: [],
    unkept: new Map(),
    rejectedCharacters: 0,
    lastMet: [],
    accepted: 0,
    rows: [],
    changes: [],
    hashes: [],
  };
}

/**
 * Compares one record, and notes the result in the outcome. Called for every record, so everything it needs is made
 * once.
 */
function createAdder(
  { table, key, log, checkMemory }: Compared,
  policy: IdentityPolicy,
): (outcome: PageOutcome, raw: unknown) => void {
  const id = new Int32Array(4);
  const identity = Buffer.allocUnsafeSlow(IDENTITY_MAX_BYTES);
  const changeHash = new Uint32Array(2);
  const values = emptyValues();
  const hashChange = createChangeHasher(key);
  const read = (userId: string): Int32Array => {
    readUserId(userId, id);
    return id;
  };

  return (outcome, raw) => {
    if (++outcome.records % RECORDS_BETWEEN_CHECKS === 0) checkMemory?.(outcome.rows.length * RECORD_BYTES);
    const parsed = parseRecord(raw);
    if (!parsed.ok) {
      const isKnown = parsed.userId !== null && table.find(read(parsed.userId)) >= 0;
      const { userId, reason } = parsed;
      const rejection = policy.rejected({ userId, reason, raw: parsed.raw }, raw, isKnown);
      keepRejection(outcome, rejection);
      if (rejection.userId === null) return;
      outcome.rows.push(table.findOrAdd(read(rejection.userId)));
      outcome.changes.push(REJECTED);
      return;
    }
    const served = parsed.user;
    if (served.email === null) outcome.withoutEmail++;
    if (served.name === null) outcome.withoutName++;
    const known = table.find(read(served.user_id));
    const user = policy.accepted(served, known >= 0);
    const isErased = user.user_id !== served.user_id;
    const row = known >= 0 && !isErased ? known : table.findOrAdd(read(user.user_id));
    const end = encodeIdentity(user, identity, 0);
    keyedHash(key, identity, 0, end, values.hash, 0);
    values.level = rankOf(user.max_risk_level);
    values.eventCount = user.event_count;
    readInstant(user.last_event, values.lastEvent);
    outcome.rows.push(row);
    // An erased person cannot be looked up.
    if (!isErased) outcome.lastMet[outcome.accepted++ % LAST_MET] = user;
    if (table.compare(row, values) === 0) {
      outcome.changes.push(UNCHANGED);
      return;
    }
    hashChange(values, changeHash);
    // If another pass brings the same change, it is kept once.
    const change = table.holdsChange(row, changeHash)
      ? table.change(row)
      : log.append(row, id, values, identity, end);
    outcome.changes.push(change);
    outcome.hashes.push(changeHash[0] as number, changeHash[1] as number);
  };
}

function keepRejection(outcome: PageOutcome, rejection: Rejection): void {
  outcome.rejected++;
  if (rejection.userId === null) outcome.unreadable++;
  outcome.rejectedCharacters += rejection.raw.length + REJECTION_CHARACTERS;
  if (outcome.rejectedCharacters > REJECTED_CHARACTERS) countReason(outcome.unkept, rejection.reason, 1);
  else outcome.rejections.push(rejection);
}

/** Hashes everything that a record says about its user. */
function createChangeHasher(key: HashKey): (values: UserValues, into: Uint32Array) => void {
  const fingerprint = Buffer.alloc(VALUES_BYTES + 8);
  return (values, into) => {
    const end = writeValues(values, fingerprint, 0);
    fingerprint.writeUInt32LE(values.hash[0] as number, end);
    fingerprint.writeUInt32LE(values.hash[1] as number, end + 4);
    keyedHash(key, fingerprint, 0, fingerprint.length, into, 0);
  };
}

/** Called when an answer has ended. If a user has several records, the one read last wins. */
function takeChanges(table: UserTable, { rows, changes, hashes }: PageOutcome): void {
  const changeHash = new Uint32Array(2);
  let hash = 0;
  for (let n = 0; n < rows.length; n++) {
    const row = rows[n] as number;
    const change = changes[n] as number;
    table.note(row, change !== REJECTED);
    if (change === UNCHANGED) table.takeBackChange(row);
    if (change > UNCHANGED) {
      changeHash[0] = hashes[hash++] as number;
      changeHash[1] = hashes[hash++] as number;
      table.setChange(row, change, changeHash);
    }
  }
}

function newestOf({ lastMet, accepted }: PageOutcome): KnownUser[] {
  return lastMet
    .map((_, n) => lastMet[(accepted + n) % lastMet.length])
    .filter((user) => user !== undefined)
    .map(({ user_id: userId, last_event: lastEvent, email, name }) => ({ userId, lastEvent, email, name }));
}

export function rankOf(level: RiskLevel): LevelRank {
  return (RISK_LEVELS.indexOf(level) + 1) as LevelRank;
}

/** Null if the user is not present. */
export function levelOf(rank: LevelRank): RiskLevel | null {
  return RISK_LEVELS[rank - 1] ?? null;
}
