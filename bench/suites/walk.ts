// Suite `walk`: an unchanged run against a slow API and a rate-limited API, compared with the least possible time by
// arithmetic. BENCH_USERS, BENCH_LATENCY_MS. The limit allows a twentieth of Cloudflare's requests, in windows a
// thirtieth as long.
import { numbersOf, type Bench } from '../harness/bench.ts';
import { median } from '../harness/median.ts';
import { settle } from '../harness/postgres.ts';
import { createReport, type Report } from '../harness/report.ts';
import { migrate, sync, type Synced } from '../harness/sync.ts';
import { ACCOUNT } from './life.ts';

// The defaults of SYNC_CONCURRENCY and SYNC_RATE_SHARE.
const CONCURRENCY = 4;
const SHARE = 0.8;
const PER_PAGE = 50;
const LIMIT = { requests: 60, windowMs: 10_000 };

export async function walkSuite(bench: Bench): Promise<void> {
  const [users] = numbersOf('BENCH_USERS', [20_000]);
  const [latencyMs] = numbersOf('BENCH_LATENCY_MS', [200]);
  const report = createReport('walk', { users: users!, per_page: PER_PAGE, rounds: bench.rounds });
  const databaseUrl = await bench.postgres.emptyDatabase('bench_walk');
  await migrate(bench, databaseUrl);
  await bench.api.control({ account: ACCOUNT, create: { users: users!, seed: 1 }, prepare: PER_PAGE });
  const request = { databaseUrl, accountId: ACCOUNT, perPage: PER_PAGE };
  await sync(bench, request);
  await settle(databaseUrl);
  const rounds = async () => {
    const all: Synced[] = [];
    for (let round = 0; round < bench.rounds; round++) all.push(await sync(bench, request));
    return all;
  };
  const pages = Math.ceil(users! / PER_PAGE);

  const quick = await rounds();
  await add(report, 'no latency, no limit', quick, Number.NaN);
  await bench.api.control({ latencyMs: latencyMs! });
  await add(
    report,
    `${latencyMs} ms per answer`,
    await rounds(),
    Math.ceil(pages / CONCURRENCY) * latencyMs!,
  );
  await bench.api.control({ latencyMs: 0, limit: LIMIT });
  // All full windows of our share must pass before the last request may be sent.
  const limited = (requests: number) =>
    Math.floor((requests - 1) / Math.floor(LIMIT.requests * SHARE)) * LIMIT.windowMs;
  const slow = await rounds();
  await add(
    report,
    `${LIMIT.requests} requests in ${LIMIT.windowMs / 1000} s, a share of ${SHARE}`,
    slow,
    limited(median(slow.map(({ requests }) => requests))),
  );
  await bench.api.control({ limit: null });
  report.print();
}

async function add(report: Report, name: string, rounds: readonly Synced[], leastMs: number): Promise<void> {
  const wall = median(rounds.map(({ figures }) => figures.wallMs));
  await report.add({
    case: name,
    wall_ms: wall,
    least_ms: leastMs,
    least_x: wall / leastMs,
    requests: median(rounds.map(({ requests }) => requests)),
    start_ms: median(rounds.map(({ figures }) => figures.startMs)),
    client_cpu_ms: median(rounds.map(({ figures }) => figures.clientCpuMs)),
    rounds_ms: rounds.map(({ figures }) => Math.round(figures.wallMs)),
  });
}
