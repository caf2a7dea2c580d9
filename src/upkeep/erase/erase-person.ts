// Erases a person from every account. A run that began before the erasure may still bring the person into an account,
// so each account is read after its run has ended. Then the texts are erased, and the identities last: an interrupted
// erasure needs them to find the texts again.
import { and, asc, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool } from '../../db/pool.ts';
import { accounts, userIdentities as i } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { createPersonMatcher, type PersonTexts } from '../../person-matcher.ts';
import { eraseInAccount, userKeysOf, type ErasureInAccount } from './erase-in-account.ts';
import { beginErasure, finishErasure, type EraseMode, type ErasedPerson } from './erased-person.ts';
import { sweepErased, type Swept } from './sweep-erased.ts';
import { whenFree, type FreeDeps } from './when-free.ts';

export type EraseDeps = FreeDeps & {
  /** Finished steps, and the expected number of steps, which may grow. */
  onProgress: (done: number, total: number) => void;
  /** Named points at which tests kill the process; nothing in production. */
  failpoint?: (name: 'begun' | 'read' | 'erasing' | 'committed' | 'erased' | 'swept') => Promise<void>;
};

export type EraseRequest = {
  userId: string;
  mode: EraseMode;
  /**
   * The identity by which the person was found. An interrupted erasure may have removed it from the history already.
   */
  email: string | null;
};

export type Erasing = { person: ErasedPerson; swept: Swept };

/**
 * If it is called again after an interruption, it continues. Throws the signal's reason, and the errors of the
 * database.
 */
export async function erasePerson(deps: EraseDeps, { userId, mode, email }: EraseRequest): Promise<Erasing> {
  const { pool, failpoint } = deps;
  const { user_id: standIn } = await beginErasure(pool, userId, mode);
  await failpoint?.('begun');
  // Read after the erasure has begun: an account that is added later is synced by runs that know of the erasure.
  const all = await accountKeys(pool);
  const known = await readKnown(deps, all, [userId, standIn]);
  await failpoint?.('read');
  const identities = [...[...known.values()].flat(), { email, name: null }];
  const matcher = createPersonMatcher({ userIds: [userId], identities });
  const steps = stepsOf(all, [...known.keys()]);
  for (const [done, step] of steps.entries()) {
    deps.onProgress(all.length + done, all.length + steps.length);
    await whenFree(deps, step.accountKey, async (tx) => {
      await eraseInAccount(tx, { ...step, userId, standIn, matcher });
      await failpoint?.('erasing');
    });
    await failpoint?.('committed');
  }
  await failpoint?.('erased');
  const swept = await sweepErased(pool);
  await failpoint?.('swept');
  return { person: await finishErasure(pool, standIn), swept };
}

type ErasureStep = Pick<ErasureInAccount, 'accountKey' | 'replaces'>;

/** If several accounts know the person, the texts of all are erased first: see the head of this file. */
function stepsOf(all: readonly number[], knowing: readonly number[]): ErasureStep[] {
  const first = knowing.length > 1 ? all : all.filter((key) => !knowing.includes(key));
  return [
    ...first.map((accountKey) => ({ accountKey, replaces: false })),
    ...knowing.map((accountKey) => ({ accountKey, replaces: true })),
  ];
}

async function accountKeys(pool: Pool): Promise<number[]> {
  const rows = await drizzle(pool)
    .select({ key: accounts.account_key })
    .from(accounts)
    .orderBy(asc(accounts.account_key));
  return rows.map(({ key }) => key);
}

type Identities = PersonTexts['identities'];

/** The accounts that know one of the ids, with every identity that they hold. */
async function readKnown(
  deps: EraseDeps,
  all: readonly number[],
  userIds: readonly string[],
): Promise<Map<number, Identities>> {
  const known = new Map<number, Identities>();
  for (const [done, accountKey] of all.entries()) {
    deps.onProgress(done, 2 * all.length);
    const identities = await whenFree(deps, accountKey, (tx) => identitiesIn(tx, accountKey, userIds));
    if (identities !== null) known.set(accountKey, identities);
  }
  return known;
}

/** Null: the account does not know the person. */
async function identitiesIn(
  tx: Transaction,
  accountKey: number,
  userIds: readonly string[],
): Promise<Identities | null> {
  const keys = [...(await userKeysOf(tx, accountKey, userIds)).values()];
  if (keys.length === 0) return null;
  const named = sql`${i.user_key} = any (${sql.param(keys)}::integer[])`;
  return tx
    .select({ email: i.email, name: i.name })
    .from(i)
    .where(and(eq(i.account_key, accountKey), named));
}
