// `npm run bench:peers`: compares this product with its alternatives, on the same API, server and machine, in the same
// run. `-- costs` or `-- rows` runs only one half.
// BENCH_USERS, BENCH_ROUNDS, BENCH_DRIFT_USERS. BENCH_PEERS chooses peers: parts of their names, separated by commas.
import { numbersOf, withBench, type Bench } from '../harness/bench.ts';
import type { Figures } from '../harness/measure.ts';
import { medians } from '../harness/median.ts';
import { createReport, type Report } from '../harness/report.ts';
import { winsOf } from './wins.ts';
import { CASES, comparePeer, driftPeer, type Case } from './compare.ts';
import { installPeers } from './install.ts';
import { OURS, peersOf, type Peer } from './peers.ts';

const USERS = numbersOf('BENCH_USERS', [100_000])[0]!;
const DRIFT_USERS = numbersOf('BENCH_DRIFT_USERS', [20_000])[0]!;
// 0.1 moves per page. At four pages a second, this is as if 7 % of 20,000 users act in an hour.
const MOVES_PER_PAGE = 0.1;

const peers = chosen(peersOf(await installPeers()));
await withBench(async (bench) => {
  if (wants('costs')) await costs(bench);
  if (wants('rows')) await correctness(bench);
});

async function costs(bench: Bench): Promise<void> {
  const report = createReport('peers', { users: USERS, per_page: 1_000, rounds: bench.rounds });
  const sizes = [...new Set(peers.map(({ most }) => Math.min(USERS, most ?? USERS)))].toSorted(
    (a, b) => b - a,
  );
  const wins: string[] = [];
  for (const users of sizes) {
    // Peers that cannot handle the full size are compared at their own size, beside this product.
    const together = peers.filter(
      ({ name, most }) => users === Math.min(USERS, most ?? USERS) || name === OURS,
    );
    const figures = new Map<string, Record<Case, Figures>>();
    const lives = new Map<string, Record<Case, Figures>[]>(together.map(({ name }) => [name, []]));
    // Round by round, so that a slow quarter of an hour affects all peers.
    for (let round = 0; round < bench.rounds; round++)
      for (const peer of together) lives.get(peer.name)!.push(await comparePeer(bench, peer, users));
    for (const [name, all] of lives)
      figures.set(
        name,
        Object.fromEntries(CASES.map((one) => [one, medians(all.map((life) => life[one]))])) as Record<
          Case,
          Figures
        >,
      );
    for (const one of CASES) for (const peer of together) await add(report, { one, peer, users, figures });
    wins.push(...winsOf(users, figures));
  }
  report.print();
  process.stdout.write(
    wins.length === 0
      ? '\nNo peer is better in any figure.\n'
      : `\nWhere a peer is better than this product:\n${wins.map((line) => `- ${line}\n`).join('')}`,
  );
}

async function add(
  report: Report,
  {
    one,
    peer,
    users,
    figures,
  }: { one: Case; peer: Peer; users: number; figures: Map<string, Record<Case, Figures>> },
): Promise<void> {
  const of = figures.get(peer.name)![one];
  const ours = figures.get(OURS)?.[one];
  await report.add({
    case: one,
    users,
    peer: peer.name,
    history: peer.keepsHistory ? 'kept' : 'none',
    wall_ms: of.wallMs,
    ours_x: ours === undefined ? Number.NaN : of.wallMs / ours.wallMs,
    client_cpu_ms: of.clientCpuMs,
    server_cpu_ms: of.serverCpuMs,
    peak_mb: of.peakMb,
    wal_mb: of.walMb,
  });
}

async function correctness(bench: Bench): Promise<void> {
  const movesBefore = Math.round(DRIFT_USERS * 0.03);
  const report = createReport('peers-drift', {
    users: DRIFT_USERS,
    per_page: 50,
    moves_a_page: String(MOVES_PER_PAGE),
    moves_before: movesBefore,
    rounds: bench.rounds,
  });
  for (const peer of peers) {
    const sums = { right: 0, missing: 0, wronglyRetired: 0, stale: 0, doubled: 0, keptThoughGone: 0 };
    const walks: Figures[] = [];
    for (let round = 0; round < bench.rounds; round++) {
      const world = { users: DRIFT_USERS, movesPerPage: MOVES_PER_PAGE, movesBefore, seed: 100 + round };
      const { judged, figures } = await driftPeer(bench, peer, world);
      walks.push(figures);
      for (const what of Object.keys(sums) as (keyof typeof sums)[]) sums[what] += judged[what];
    }
    const { right, missing, wronglyRetired, stale, doubled, keptThoughGone } = sums;
    await report.add({
      peer: peer.name,
      rows_right: right,
      missing,
      wrongly_retired: wronglyRetired,
      stale,
      doubled,
      kept_though_gone: keptThoughGone,
      // The cost of a correct reading: a list that moves must be read again.
      requests: medians(walks).requests,
      wall_ms: medians(walks).wallMs,
    });
  }
  report.print();
}

function wants(half: 'costs' | 'rows'): boolean {
  return process.argv.length === 2 || process.argv.includes(half);
}

function chosen(all: Peer[]): Peer[] {
  const parts = (process.env['BENCH_PEERS'] ?? '').split(',').filter(Boolean);
  return parts.length === 0
    ? all
    : all.filter(({ name }) => name === OURS || parts.some((part) => name.includes(part)));
}
