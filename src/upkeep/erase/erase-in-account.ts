// Erases a person from one account, in one transaction under the account's lease. It deletes no row that a reader could
// have copied. It writes such rows again without the person and with a new feed value, so that every copy is
// overwritten.
import { randomUUID } from 'node:crypto';
import { and, eq, sql } from 'drizzle-orm';
import { refuseCopied, takeFeedValue } from '../../db/feed-clock.ts';
import { holdSchema } from '../../db/migrate.ts';
import { accountWriters as w, lookups as l, userIdentities as i, users as u } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import type { PersonMatcher } from '../../person-matcher.ts';
import { fieldsOf } from '../../user-risk.ts';
import { countErased, NOTHING_ERASED, type EraseCounts } from './erased-person.ts';
import { deleteRejected, findRunTexts, writeRunTexts } from './erase-texts.ts';

export type ErasureInAccount = {
  accountKey: number;
  /** The real id, and the random id that replaces it. */
  userId: string;
  standIn: string;
  matcher: PersonMatcher;
  /** Also replaces the user. False: erases only texts and lookups, because other accounts must be done first. */
  replaces: boolean;
};

/** The account must be held. */
export async function eraseInAccount(tx: Transaction, erasure: ErasureInAccount): Promise<EraseCounts> {
  const { accountKey, userId, standIn, matcher, replaces } = erasure;
  await holdSchema(tx);
  await refuseCopied(tx, accountKey);
  const rejected = await deleteRejected(tx, accountKey, [userId], matcher);
  const texts = await findRunTexts(tx, accountKey, matcher);
  const keys = await userKeysOf(tx, accountKey, [userId, standIn]);
  const real = keys.get(userId);
  const answers = await deleteLookups(tx, accountKey, [...keys.values()]);
  const isReplaced = replaces && real !== undefined;
  let identities = 0;
  // The clock is last, because all accounts wait for it.
  if (isReplaced || texts.length > 0) {
    const feedId = await takeFeedValue(tx, accountKey, { waitMs: CLOCK_MS });
    await writeRunTexts(tx, accountKey, texts, feedId);
    if (isReplaced) {
      // If a run has met the person under the random id already, the older user gets an id of its own.
      const id = keys.has(standIn) ? randomUUID() : standIn;
      identities = await replaceUser(tx, { accountKey, userKey: real, feedId }, id);
    }
  }
  const counts: EraseCounts = {
    ...NOTHING_ERASED,
    identities,
    rejected,
    lookups: answers,
    runs: texts.length,
    accounts: isReplaced ? 1 : 0,
  };
  await countErased(tx, standIn, counts);
  return counts;
}

/** Runs of the account wait for the lease during this time. So the wait for the clock is short, and is tried again. */
const CLOCK_MS = 3_000;

/**
 * The keys of the given ids that the account knows. Only the first four digits of an id are sent: an id in a statement
 * would be in the server's log.
 */
export async function userKeysOf(
  tx: Transaction,
  accountKey: number,
  userIds: readonly string[],
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const userId of userIds) {
    const [low, high] = rangeOf(userId);
    const rows = await tx
      .select({ userKey: u.user_key, userId: u.user_id })
      .from(u)
      .where(and(eq(u.account_key, accountKey), sql`${u.user_id} between ${low}::uuid and ${high}::uuid`));
    const row = rows.find((one) => one.userId === userId);
    if (row !== undefined) found.set(userId, row.userKey);
  }
  return found;
}

function rangeOf(userId: string): [string, string] {
  const fill = (digit: string) => userId.slice(0, 4) + userId.slice(4).replace(/[^-]/g, digit);
  return [fill('0'), fill('f')];
}

async function deleteLookups(tx: Transaction, accountKey: number, keys: readonly number[]): Promise<number> {
  if (keys.length === 0) return 0;
  const named = sql`${l.user_key} = any (${sql.param([...keys])}::integer[])`;
  return (await tx.delete(l).where(and(eq(l.account_key, accountKey), named))).rowCount ?? 0;
}

type Replaced = { accountKey: number; userKey: number; feedId: number };

/** Levels and counters stay. Returns how many versions of the identity were erased. */
async function replaceUser(
  tx: Transaction,
  { accountKey, userKey, feedId }: Replaced,
  id: string,
): Promise<number> {
  await tx
    .update(u)
    .set({ user_id: id, erased_at: sql`date_trunc('milliseconds', now())`, snapshot_id: feedId })
    .where(and(eq(u.account_key, accountKey), eq(u.user_key, userKey)));
  const nothing = Object.fromEntries(fieldsOf('identity').map((field) => [field, null]));
  const { rowCount } = await tx
    .update(i)
    .set({ ...nothing, snapshot_id: feedId })
    .where(and(eq(i.account_key, accountKey), eq(i.user_key, userKey)));
  // A run that read the account earlier notices that another writer came in between.
  await tx.update(w).set({ last_snapshot_id: feedId }).where(eq(w.account_key, accountKey));
  return rowCount ?? 0;
}
