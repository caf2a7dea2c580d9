// Suite `clock`: how long a publish holds the feed clock, which all accounts wait for. BENCH_CHANGES (one or more),
// BENCH_DISTANCE_MS: the round trip. BENCH_LARGE: the users of a first load, during which another account publishes.
import { randomBytes } from 'node:crypto';
import { migrate } from '../../src/db/migrate.ts';
import { createPool, type Pool } from '../../src/db/pool.ts';
import { publish, type PublishRequest } from '../../src/sync/publish/publish.ts';
import { personOf } from '../../test/support/api/served-account.ts';
import { clockWatch, type ClockWatch } from '../../test/support/database/clock-watch.ts';
import { claimAccount, lookAt } from '../../test/support/world/publish-request.ts';
import { numbersOf, type Bench } from '../harness/bench.ts';
import { startDelayProxy } from '../harness/delay-proxy.ts';
import { median } from '../harness/median.ts';
import { createReport } from '../harness/report.ts';

/** The number of records that are compared at once. */
const BATCH = 10_000;

export async function clockSuite(bench: Bench): Promise<void> {
  const changes = numbersOf('BENCH_CHANGES', [20, 2_000]);
  const [distanceMs] = numbersOf('BENCH_DISTANCE_MS', [10]);
  const [large] = numbersOf('BENCH_LARGE', [1_000_000]);
  const report = createReport('clock', { distance_ms: distanceMs!, rounds: bench.rounds });
  const databaseUrl = await bench.postgres.emptyDatabase('bench_clock');
  const pool = openPool(databaseUrl);
  await migrate(pool);
  const server = new URL(databaseUrl);
  const proxy = await startDelayProxy({ host: server.hostname, port: Number(server.port) }, distanceMs! / 2);
  try {
    for (const count of changes)
      for (const [where, url] of [
        ['here', databaseUrl],
        [`${distanceMs} ms away`, Object.assign(new URL(databaseUrl), { port: String(proxy.port) }).href],
      ] as const) {
        const accountId = randomBytes(16).toString('hex');
        await publish(pool, await requestOf(pool, accountId, count, 0));
        const holds: ClockWatch[] = [];
        for (let round = 1; round <= bench.rounds; round++) {
          const request = await requestOf(pool, accountId, count, round);
          const far = openPool(url, 2);
          const watch = clockWatch(far);
          await publish(far, request);
          holds.push(watch);
          await far.end();
        }
        await report.add({
          case: `${count} changes, ${where}`,
          held_ms: median(holds.map((watch) => watch.heldMs())),
          round_trips: holds[0]!.trips(),
        });
      }
    await besideFirstLoad(pool, databaseUrl, large!, report);
    report.print();
  } finally {
    await proxy.stop();
    await pool.end();
  }
}

/** Another account's publish begins when the first load has the clock. */
async function besideFirstLoad(
  pool: Pool,
  databaseUrl: string,
  users: number,
  report: ReturnType<typeof createReport>,
): Promise<void> {
  const small = await requestOf(pool, randomBytes(16).toString('hex'), 20, 0);
  const request = await requestOf(pool, randomBytes(16).toString('hex'), users, 0);
  const [far, near] = [openPool(databaseUrl), openPool(databaseUrl)];
  const watch = clockWatch(far);
  const loading = publish(far, request);
  await Promise.race([watch.taken, loading]);
  const began = performance.now();
  await publish(near, small);
  const waitedMs = performance.now() - began;
  await loading;
  await report.add({
    case: `a first load of ${users}`,
    held_ms: watch.heldMs(),
    round_trips: watch.trips(),
    other_waited_ms: waitedMs,
  });
  await far.end();
  await near.end();
}

/** All counters change from round to round. */
async function requestOf(
  pool: Pool,
  accountId: string,
  users: number,
  round: number,
): Promise<PublishRequest> {
  const look = await lookAt(pool, await claimAccount(pool, accountId));
  for (let from = 0; from < users; from += BATCH)
    await look.meet(
      Array.from({ length: Math.min(BATCH, users - from) }, (_, n) => ({
        ...personOf(accountId, from + n),
        event_count: round,
      })),
    );
  return look.request();
}

function openPool(url: string, max = 6): Pool {
  return createPool({ url, max, logger: { warn: () => undefined } });
}
