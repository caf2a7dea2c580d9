// A user's level and activity as bytes: as the change log keeps them and a change is hashed, and as a binary COPY brings
// them.
import { decodeInstant } from '../../db/postgres-instant.ts';
import type { CopiedRow } from '../../db/read-copy.ts';
import type { LevelRank, UserValues } from './user-table.ts';

/** What a record says of the level and the activity. */
export type RiskValues = Omit<UserValues, 'hash'>;

/** A new value must also be written and read below. */
const BYTES: Record<keyof RiskValues, number> = { level: 1, eventCount: 4, lastEvent: 12 };
export const VALUES_BYTES = Object.values(BYTES).reduce((all, bytes) => all + bytes, 0);

/** Returns where they end. */
export function writeValues({ level, eventCount, lastEvent }: RiskValues, into: Buffer, at: number): number {
  into.writeUInt8(level, at);
  into.writeInt32LE(eventCount, at + 1);
  into.writeDoubleLE(lastEvent.seconds, at + 5);
  return into.writeInt32LE(lastEvent.micros, at + 13);
}

/** Reads what `writeValues` wrote. */
export function readValues(bytes: Buffer, at: number, into: RiskValues): void {
  into.level = bytes.readUInt8(at) as LevelRank;
  into.eventCount = bytes.readInt32LE(at + 1);
  into.lastEvent.seconds = bytes.readDoubleLE(at + 5);
  into.lastEvent.micros = bytes.readInt32LE(at + 13);
}

/** Reads the columns of the activity, in the order of `fieldsOf`. `first`: the place of the first of them. */
export function readActivity({ bytes, start }: CopiedRow, first: number, into: RiskValues): void {
  into.eventCount = bytes.readInt32BE(start[first]);
  decodeInstant(bytes, start[first + 1] as number, into.lastEvent);
}
