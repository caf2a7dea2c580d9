// Takes one peer through the same steps as the others: an empty database is loaded, read again, changed in part, and
// changed completely.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Bench } from '../harness/bench.ts';
import { measure, type Figures } from '../harness/measure.ts';
import { openPool, settle } from '../harness/postgres.ts';
import { removeFolder } from '../../test/support/database/servers/postgres-server.ts';
import { judgeRows, type Current, type Judged } from './judge-rows.ts';
import type { Peer, Task } from './peers.ts';

export const ACCOUNT = '5e1f0000000000000000000000000001';
export const CASES = ['cold', 'unchanged', '5 % changed', 'everything changed'] as const;
export type Case = (typeof CASES)[number];

const PER_PAGE = 1_000;
const DRIFT_PER_PAGE = 50;
const CHANGES = { cold: 0, unchanged: 0, '5 % changed': 0.05, 'everything changed': 1 } as const;

/** For every peer, `cold` includes work that is done once for each database, such as migrations. */
export async function comparePeer(bench: Bench, peer: Peer, users: number): Promise<Record<Case, Figures>> {
  await bench.api.control({ account: ACCOUNT, create: { users, seed: 1 }, prepare: PER_PAGE });
  return withTask(bench, PER_PAGE, async (task) => {
    const figures: Partial<Record<Case, Figures>> = {};
    for (const name of CASES) {
      if (CHANGES[name] > 0)
        await bench.api.control({ account: ACCOUNT, changeShare: CHANGES[name], prepare: PER_PAGE });
      figures[name] = await run(bench, peer, task);
      process.stderr.write(`${peer.name}, ${users} users, ${name}: ${Math.round(figures[name].wallMs)} ms\n`);
      await settle(task.databaseUrl);
      const rows = await currentRows(peer, task);
      if (rows.length !== users) throw new Error(`${peer.name}, ${name}: ${rows.length} rows, not ${users}`);
    }
    return figures as Record<Case, Figures>;
  });
}

/** Loads the list while it does not move. Then users act and are reset. Then reads the list again while it moves. */
export async function driftPeer(
  bench: Bench,
  peer: Peer,
  world: { users: number; movesPerPage: number; movesBefore: number; seed: number },
): Promise<{ judged: Judged; figures: Figures }> {
  const { users, movesPerPage, movesBefore, seed } = world;
  const { api } = bench;
  await api.control({ account: ACCOUNT, drift: { users, seed, movesPerPage } });
  return withTask(bench, DRIFT_PER_PAGE, async (task) => {
    await run(bench, peer, task);
    await settle(task.databaseUrl);
    await api.control({ account: ACCOUNT, moveOn: movesBefore });
    const truthBefore = await api.truth(ACCOUNT);
    const rowsBefore = await currentRows(peer, task);
    await api.control({ account: ACCOUNT, startMoving: true });
    const figures = await run(bench, peer, task);
    const truth = { before: truthBefore, after: await api.truth(ACCOUNT) };
    const rowsAfter = await currentRows(peer, task);
    return { judged: judgeRows(truth, { before: rowsBefore, after: rowsAfter }), figures };
  });
}

async function withTask<T>(bench: Bench, perPage: number, work: (task: Task) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-peer-'));
  const databaseUrl = await bench.postgres.emptyDatabase('bench_peer');
  try {
    return await work({ apiUrl: bench.api.url, accountId: ACCOUNT, perPage, databaseUrl, folder });
  } finally {
    await bench.postgres.drop('bench_peer');
    await removeFolder(folder);
  }
}

async function run(bench: Bench, peer: Peer, task: Task): Promise<Figures> {
  const { figures, ended } = await measure(bench, [peer.command(task)]);
  if (ended[0]?.code !== 0) throw new Error(`${peer.name} ended with ${ended[0]?.code}:\n${ended[0]?.log}`);
  return figures;
}

async function currentRows(peer: Peer, task: Task): Promise<Current> {
  const pool = openPool(task.databaseUrl);
  const { rows } = await pool.query<{ user_id: string; event_count: string }>(peer.current);
  await pool.end();
  return rows.map(({ user_id, event_count }) => ({ user_id, event_count: Number(event_count) }));
}
