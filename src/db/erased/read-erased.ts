// Who was erased: by the hash of the real id, and by the id that replaces it. Read once for each run, under the lease,
// so that an erasure that waits for the lease cannot be missed.
import { sql } from 'drizzle-orm';
import { createUserIdHasher } from './hash-user-id.ts';
import { on, type Db } from '../handle.ts';
import { erasedPeople as p, erasureKey as k } from '../schema.ts';

/**
 * forgotten: we recognise the person when the API serves them. gone: the user's person was erased once, and no user is
 * ever met under this id again.
 */
export type Erasure = 'forgotten' | 'gone';

export type Erased = {
  /** Whether a real id may belong to an erased person. If not, the lookups below are not needed. */
  isAnybodyForgotten: boolean;
  /** The id that replaces this one. Null if the person was not forgotten. */
  inPlaceOf(userId: string): string | null;
  /** Null: the id is a real one. */
  erasureOf(userId: string): Erasure | null;
};

export const NOBODY_ERASED: Erased = {
  isAnybodyForgotten: false,
  inPlaceOf: () => null,
  erasureOf: () => null,
};

type Row = { key: string | null; user_id: string; user_hash: string | null };

export async function readErased(db: Db): Promise<Erased> {
  const { rows } = await on(db).execute<Row>(sql`
    select ${k.key}, ${p.user_id}, ${p.user_hash} from ${p} left join ${k} on ${k.id} = 1`);
  const [first] = rows;
  if (first === undefined) return NOBODY_ERASED;
  // An erasure with --once keeps its hash until it is finished, so that a run in between does not bring the person
  // back.
  const byHash = new Map(
    rows.flatMap((row) => (row.user_hash === null ? [] : [[row.user_hash, row.user_id]])),
  );
  const standIns = new Map<string, Erasure>(
    rows.map((row) => [row.user_id, row.user_hash === null ? 'gone' : 'forgotten']),
  );
  const hash = createUserIdHasher(first.key ?? '');
  return {
    isAnybodyForgotten: byHash.size > 0,
    inPlaceOf: (userId) => (byHash.size === 0 ? null : (byHash.get(hash(userId)) ?? null)),
    erasureOf: (userId) => standIns.get(userId) ?? null,
  };
}
