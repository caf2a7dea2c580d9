// Who was erased, newest first, without personal data. Needs the right to read risk_internal.
import { desc, sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { readErased } from '../../db/erased/read-erased.ts';
import { erasedPeople as p } from '../../db/schema.ts';
import { exactTime, exactTimeOrNull } from './person-users.ts';

export type ErasedRow = {
  /** The id that replaces the person's id. */
  user_id: string;
  mode: string;
  began_at: string;
  finished_at: string | null;
  accounts: number;
  identities: number;
  rejected: number;
  lookups: number;
  runs: number;
};

const COLUMNS = {
  user_id: p.user_id,
  mode: p.mode,
  began_at: exactTime(p.began_at),
  finished_at: exactTimeOrNull(p.finished_at),
  accounts: p.account_count,
  identities: p.identity_count,
  rejected: p.rejected_count,
  lookups: p.lookup_count,
  runs: p.run_count,
};

export async function listErased(db: Db): Promise<ErasedRow[]> {
  return on(db).select(COLUMNS).from(p).orderBy(desc(p.began_at), p.user_id);
}

/** The erasure of the person with this real id. Null if it is not known. The id itself is not sent to the database. */
export async function erasureOfPerson(db: Db, userId: string): Promise<ErasedRow | null> {
  const standIn = (await readErased(db)).inPlaceOf(userId);
  return standIn === null ? null : erasureUnder(db, standIn);
}

export async function erasureUnder(db: Db, standIn: string): Promise<ErasedRow | null> {
  const [row] = await on(db)
    .select(COLUMNS)
    .from(p)
    .where(sql`${p.user_id} = ${standIn}::uuid`);
  return row ?? null;
}
