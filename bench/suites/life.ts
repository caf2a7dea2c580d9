// The life of one account, as the suites measure it: loaded, read again after a checkpoint, read again, changed in part, changed
// whole. A fresh database each time. Nobody has analysed it when it is read for the first time after its load.
import type { Bench } from '../harness/bench.ts';
import type { Figures } from '../harness/measure.ts';
import type { References } from '../harness/row.ts';
import { bareCopy, bareWalk } from '../harness/references.ts';
import { settle } from '../harness/postgres.ts';
import { migrate, sync, type SyncRequest } from '../harness/sync.ts';

export const ACCOUNT = '5e1f0000000000000000000000000001';
export const CASES = [
  'cold',
  'first after a checkpoint',
  'unchanged',
  '5 % changed',
  'everything changed',
] as const;
export type Case = (typeof CASES)[number];
export type Life = { figures: Record<Case, Figures>; references: References; migrateMs: number };

type LifeOptions = {
  users: number;
  perPage: number;
  oneAnswer?: boolean;
  /** Where the command connects to, when not to the server itself. */
  via?: (databaseUrl: string) => string;
};

export async function live(bench: Bench, options: LifeOptions): Promise<Life> {
  const { users, perPage, oneAnswer = false, via = (url: string) => url } = options;
  const { api, postgres } = bench;
  const databaseUrl = await postgres.emptyDatabase('bench_life');
  const request: SyncRequest = { databaseUrl: via(databaseUrl), accountId: ACCOUNT, perPage };
  await api.control({ account: ACCOUNT, create: { users, seed: users, oneAnswer }, prepare: perPage });
  const figures: Partial<Record<Case, Figures>> = {};
  const run = async (name: Case, changes: number) => {
    const synced = await sync(bench, request);
    if (synced.users !== users || synced.changes !== changes)
      throw new Error(
        `${name}: ${synced.users} users and ${synced.changes} changes, not ${users} and ${changes}`,
      );
    figures[name] = synced.figures;
  };
  const change = (share: number) => api.control({ account: ACCOUNT, changeShare: share, prepare: perPage });

  const migrateMs = await migrate(bench, databaseUrl);
  await postgres.checkpoint();
  await run('cold', users);
  await postgres.checkpoint();
  await run('first after a checkpoint', 0);
  const { walkMs } = await bareWalk(bench, ACCOUNT, perPage);
  const { copyMs } = await bareCopy(bench, databaseUrl);
  await settle(databaseUrl);
  await run('unchanged', 0);
  await change(0.05);
  await run('5 % changed', Math.round(users * 0.05));
  await change(1);
  await run('everything changed', users);
  await postgres.drop('bench_life');
  return { figures: figures as Record<Case, Figures>, references: { copyMs, walkMs }, migrateMs };
}

/** One row a case, medians of the lives. */
export function figuresOf(lives: readonly Life[], name: Case): Figures[] {
  return lives.map(({ figures }) => figures[name]);
}
