// The life of one account, as the suites measure it: loaded, read again after a checkpoint, read again, changed in
// part, changed completely. Each life has a new database. The tables are not analysed before they are read for the
// first time after the load.
// BENCH_CASES: the names of the cases to run, separated by commas.
import type { Bench } from '../harness/bench.ts';
import type { Figures } from '../harness/measure.ts';
import type { References } from '../harness/row.ts';
import { bareCopy, bareWalk } from '../harness/references.ts';
import { settle } from '../harness/postgres.ts';
import { migrate, sync, type SyncRequest } from '../harness/sync.ts';

export const ACCOUNT = '5e1f0000000000000000000000000001';
const CASES = ['cold', 'first after a checkpoint', 'unchanged', '5 % changed', 'everything changed'] as const;
export type Case = (typeof CASES)[number];
export type Life = { figures: Partial<Record<Case, Figures>>; references: References; migrateMs: number };

type LifeOptions = {
  users: number;
  perPage: number;
  oneAnswer?: boolean;
  /** The URL that the command connects to, if it differs from the server's own URL. */
  via?: (databaseUrl: string) => string;
};

export async function live(bench: Bench, options: LifeOptions): Promise<Life> {
  const { users, perPage, oneAnswer = false, via = (url: string) => url } = options;
  const { api, postgres } = bench;
  const databaseUrl = await postgres.emptyDatabase('bench_life');
  const request: SyncRequest = { databaseUrl: via(databaseUrl), accountId: ACCOUNT, perPage };
  await api.control({ account: ACCOUNT, create: { users, seed: users, oneAnswer }, prepare: perPage });
  const figures: Life['figures'] = {};
  const run = async (name: Case, changes: number) => {
    // The load always runs: without it there is nothing to read again.
    if (name !== 'cold' && !chosenCases().includes(name)) return;
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
  return { figures, references: { copyMs, walkMs }, migrateMs };
}

export function chosenCases(): Case[] {
  const names = (process.env['BENCH_CASES'] ?? '').split(',').filter(Boolean);
  const unknown = names.find((name) => !CASES.some((one) => one === name));
  if (unknown !== undefined) throw new Error(`no case ${unknown}: ${CASES.join(', ')}`);
  return CASES.filter((name) => names.length === 0 || names.includes(name));
}

/** The figures of this case from each life, in the order of the lives. */
export function figuresOf(lives: readonly Life[], name: Case): Figures[] {
  return lives.flatMap(({ figures }) => figures[name] ?? []);
}
