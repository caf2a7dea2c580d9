// Suite `api`: calls of the JSON API over a history that SQL writes, beside a bare SELECT of the same question. The
// SELECT is the text that the page shows, over one connection. Each round asks both, one after the other. The server
// runs in this process. BENCH_USERS, BENCH_SNAPSHOTS, BENCH_REQUESTS.
import { numbersOf, type Bench } from '../harness/bench.ts';
import { openPool } from '../harness/postgres.ts';
import { createReport } from '../harness/report.ts';
import { migrate } from '../harness/sync.ts';
import { writeBulkHistory } from '../reporting/bulk-history.ts';
import { createRoles } from '../../src/db/roles.ts';
import type { Pool } from '../../src/db/pool.ts';
import { startDashboard } from '../../src/http/dashboard.ts';
import { createLogger } from '../../src/logger.ts';
import { changeFeed } from '../../src/queries/levels/change-feed.ts';
import { transitions } from '../../src/queries/levels/transitions.ts';
import { trend } from '../../src/queries/levels/trend.ts';
import { runnable, type Question } from '../../src/queries/question.ts';
import { responseTimes } from '../../src/queries/response/response-times.ts';
import { coverage } from '../../src/queries/runs/coverage.ts';
import { runLedger } from '../../src/queries/runs/run-ledger.ts';
import { episodes } from '../../src/queries/users/episodes.ts';
import { pageOfUsers } from '../../src/queries/users/user-page.ts';
import { userPeriods } from '../../src/queries/users/user-periods.ts';
import { ACCOUNT } from './life.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const PAGE = 101;
const timezone = 'UTC';

type Call = { path: string; question: Question<Record<string, unknown>> };

export async function apiSuite(bench: Bench): Promise<void> {
  const users = numbersOf('BENCH_USERS', [20_000])[0]!;
  const snapshots = numbersOf('BENCH_SNAPSHOTS', [90 * 24])[0]!;
  const requests = numbersOf('BENCH_REQUESTS', [50])[0]!;
  const report = createReport('api', { users, snapshots, requests });
  const databaseUrl = await bench.postgres.emptyDatabase('bench_api');
  await migrate(bench, databaseUrl);
  const pool = openPool(databaseUrl);
  const end = Math.floor(Date.now() / HOUR) * HOUR;
  try {
    await writeBulkHistory(pool, {
      accountId: ACCOUNT,
      users,
      snapshots,
      start: new Date(end - (snapshots - 1) * HOUR).toISOString(),
      actsPerUser: snapshots * 0.03,
      seed: 1,
    });
    await createRoles(pool);
    // As autovacuum would do within a minute.
    await pool.query('analyze risk.accounts');
    const dashboard = await startDashboard({
      database: { url: databaseUrl, isEmbedded: false },
      port: 0,
      staleAfterMs: 2 * HOUR,
      highTargetMs: DAY,
      logger: createLogger({ level: 'warn', secrets: [], pretty: false, destination: process.stderr }),
    });
    try {
      for (const call of calls(await someUser(pool), new Date(end - 90 * DAY), new Date(end)))
        await report.add(await measured(call, { pool, address: dashboard.address, requests }));
    } finally {
      await dashboard.close();
    }
    report.print();
  } finally {
    await pool.end();
  }
}

function calls(userId: string, from: Date, to: Date): Call[] {
  const [ids, span] = [[ACCOUNT], { from, to }];
  const week = { from: new Date(to.getTime() - 7 * DAY), to };
  const about = (path: string, { from: begin, to: end }: typeof span, more = '') =>
    `/api/v1/${path}?account=${ACCOUNT}&from=${begin.toISOString()}&to=${end.toISOString()}${more}`;
  const anyChange = { change: null, from_level: null, to_level: null };
  const everybody = { level: 'present', absent: false, search: null } as const;
  const gravest = { sort: 'level', order: 'desc' } as const;
  const anyRun = { ...span, status: null, verdict: null };
  return [
    { path: about('trend', span, '&step=day'), question: trend(ids, { ...span, timezone, step: 'day' }) },
    { path: about('trend', week, '&step=hour'), question: trend(ids, { ...week, timezone, step: 'hour' }) },
    { path: about('coverage', span), question: coverage(ids, { ...span, timezone }) },
    { path: about('changes', week), question: changeFeed(ids, week, anyChange, null, PAGE) },
    { path: about('transitions', week), question: transitions(ids, week) },
    { path: about('episodes', span), question: episodes(ids, span, { userId: null, end: null }, null, PAGE) },
    { path: about('response-times', span), question: responseTimes(ids, { ...span, targetMs: DAY }) },
    { path: about('runs', span), question: runLedger(ids, anyRun, { after: null, most: PAGE }) },
    {
      path: `/api/v1/users?account=${ACCOUNT}`,
      question: pageOfUsers(ids, everybody, gravest, null, PAGE),
    },
    { path: about(`users/${userId}/levels`, span), question: userPeriods(ids, userId, span) },
  ];
}

async function someUser(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ user_id: string }>(
    'select user_id from risk_bi.users order by 1 limit 1',
  );
  return rows[0]!.user_id;
}

type Server = { pool: Pool; address: string; requests: number };

async function measured({ path, question }: Call, { pool, address, requests }: Server) {
  const text = runnable(question);
  const [api, bare]: [number[], number[]] = [[], []];
  let bytes = 0;
  // The first round fills caches.
  for (let round = -1; round < requests; round++) {
    const [bareMs] = await timed(() => pool.query(text));
    const [apiMs, body] = await timed(() => get(`${address}${path}`));
    bytes = body.length;
    if (round < 0) continue;
    bare.push(bareMs);
    api.push(apiMs);
  }
  const [p50, bareP50] = [share(api, 0.5), share(bare, 0.5)];
  return {
    call: nameOf(path),
    p50_ms: p50,
    p95_ms: share(api, 0.95),
    bare_p50_ms: bareP50,
    bare_x: p50 / bareP50,
    bytes,
  };
}

/** "/trend by day, 90 days" */
function nameOf(path: string): string {
  const { pathname, searchParams } = new URL(path, 'http://here.invalid');
  const [from, to] = [searchParams.get('from'), searchParams.get('to')];
  const days = from && to ? `, ${Math.round((Date.parse(to) - Date.parse(from)) / DAY)} days` : '';
  const step = searchParams.has('step') ? ` by the ${searchParams.get('step')}` : '';
  return `${pathname.replace('/api/v1', '').replace(/[0-9a-f-]{36}/, '{user_id}')}${step}${days}`;
}

async function get(url: string): Promise<string> {
  const answer = await fetch(url);
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`${url} gave ${answer.status}: ${body}`);
  return body;
}

async function timed<T>(work: () => Promise<T>): Promise<[ms: number, result: T]> {
  const began = performance.now();
  const result = await work();
  return [performance.now() - began, result];
}

function share(times: readonly number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(times.length * part) - 1] ?? Number.NaN;
}
