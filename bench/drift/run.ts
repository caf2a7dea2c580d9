// `npm run bench:drift`: compares a naive walk with this product's walk on a list that moves while it is read. Makes
// whole runs of the real sync on a real PostgreSQL, and then shows what a cheaper second pass would miss. Prints the
// tables in docs/reliability.md. DRIFT_TRIALS multiplies the trials.
import { randomBytes } from 'node:crypto';
import { createLogger } from '../../src/logger.ts';
import { migrate } from '../../src/db/migrate.ts';
import { createPool, type Pool } from '../../src/db/pool.ts';
import { ensureDatabase } from '../../src/db/create-database.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { requestSync } from '../../src/sync/request-sync.ts';
import { startPostgresServer } from '../../test/support/database/servers/postgres-server.ts';
import { serveRecords } from '../../test/support/api/serve-records.ts';
import { TEST_SETTINGS } from '../../test/support/settings.ts';
import { createDriftingList, type DriftingList, type Row } from './drifting-list.ts';

const PER_PAGE = 50;
const FACTOR = Number(process.env['DRIFT_TRIALS'] ?? 1);
const CELLS = [1_000, 20_000].flatMap((users) =>
  [0.1, 1, 10].map((moves) => ({ users, moves, trials: Math.round((users === 1_000 ? 300 : 40) * FACTOR) })),
);
const quiet = createLogger({ level: 'silent', secrets: [], pretty: false, destination: { write() {} } });

type Trial = {
  naiveMissed: number;
  naiveDoubled: number;
  verdict: 'complete' | 'partial';
  /** Users who were present throughout, but whom no pass met. */
  unseen: number;
  estimate: number | null;
  falseClears: number;
  neverServed: number;
  requests: number;
  passes: number;
  lookups: number;
};

const server = await startPostgresServer(18);
const pool = createPool({ url: await ensureDatabase(server.url, 'drift'), logger: quiet });
try {
  await migrate(pool);
  say(
    '| users | moves per page | trials | naive: misses users | naive: counts users twice | complete | partial | false clears | values never served | complete, but users unseen | mean estimate | mean unseen | passes | requests per run |',
  );
  say('|---|---|---|---|---|---|---|---|---|---|---|---|---|---|');
  for (const cell of CELLS) say(row(cell, await trialsOf(cell)));
} finally {
  await pool.end();
  await server.stop();
}
say('');
say(
  'A cheaper second pass: users who were present throughout and were not met (mean per walk), and requests.',
);
say('');
say(
  '| users | moves per page | one pass | one pass and the head again | two passes | requests: one pass, with head, two passes |',
);
say('|---|---|---|---|---|---|');
for (const { users, moves, trials } of CELLS) say(cheaper(users, moves, trials));

async function trialsOf({ users, moves, trials }: (typeof CELLS)[number]): Promise<Trial[]> {
  const accountId = randomBytes(16).toString('hex');
  const list = createDriftingList(users, 0, users + moves * 7);
  const results: Trial[] = [];
  await sync(pool, accountId, list);
  // The list begins as it was published, and then never stops moving.
  const moving = createDriftingList(users, moves, users + moves * 7);
  for (let trial = 0; trial < trials; trial++) results.push(await oneTrial(accountId, moving));
  return results;
}

async function oneTrial(accountId: string, list: DriftingList): Promise<Trial> {
  const naive = naiveWalk(list);
  const before = await known(accountId);
  const since = list.now();
  const there = list.ids();
  const { result, served } = await sync(pool, accountId, list);
  if (result.error !== null || result.published === null) throw result.error ?? new Error('not published');
  const after = await known(accountId);
  const cleared = [...before.keys()].filter((userId) => !after.has(userId));
  const neverServed = [...after].filter(
    ([userId, value]) => value !== (served.get(userId) ?? before.get(userId)),
  ).length;
  return {
    ...naive,
    verdict: result.published.verdict,
    unseen: there.filter((userId) => !served.has(userId) && list.presentSince(userId, since)).length,
    estimate: result.expectedUnseen,
    falseClears: cleared.filter((userId) => list.presentSince(userId, since)).length,
    neverServed,
    requests: result.facts.pages + result.facts.lookups,
    passes: result.facts.passes,
    lookups: result.facts.lookups,
  };
}

async function sync(database: Pool, accountId: string, list: DriftingList) {
  const served = new Map<string, string>();
  const outcome = await requestSync(
    {
      pool: database,
      client: {
        summaryPage: async ({ page, perPage, openReader }) => {
          const { records, info } = list.page(page, perPage);
          for (const one of records) served.set(one.user_id, valueOf(one));
          return serveRecords(records, info, openReader);
        },
        lookUpUser: async ({ userId }) => list.record(userId),
      },
      logger: quiet,
      settings: { ...TEST_SETTINGS, perPage: PER_PAGE, timeBudgetMs: 600_000 },
      timing: LEASE_TIMING,
    },
    { accountId, trigger: 'cli', signal: new AbortController().signal },
  );
  if (outcome.kind !== 'ran') throw new Error(outcome.kind);
  return { result: outcome.result, served };
}

function valueOf(one: Row): string {
  return `${one.max_risk_level} ${one.event_count} ${one.last_event}`;
}

async function known(accountId: string): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ id: string; value: string }>(
    `select user_id as id, max_risk_level || ' ' || event_count || ' ' ||
            to_char(last_event at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as value
       from risk.users join risk.accounts using (account_key) where account_id = $1 and max_risk_level is not null`,
    [accountId],
  );
  return new Map(rows.map(({ id, value }) => [id, value]));
}

/** Reads pages 1 to the number that the first answer states, once. */
function naiveWalk(list: DriftingList): Pick<Trial, 'naiveMissed' | 'naiveDoubled'> {
  const since = list.now();
  const there = list.ids();
  const { met, doubled } = onePass(list);
  return { naiveMissed: unseenOf(list, there, met, since), naiveDoubled: doubled };
}

function onePass(list: DriftingList, met = new Set<string>()) {
  const first = list.page(1, PER_PAGE);
  const pages = Math.ceil((first.info.total_count ?? 0) / PER_PAGE);
  const here = new Set<string>();
  let records = 0;
  for (let page = 1; page <= pages; page++) {
    const answer = page === 1 ? first : list.page(page, PER_PAGE);
    for (const one of answer.records) {
      records++;
      here.add(one.user_id);
      met.add(one.user_id);
    }
  }
  return { met, doubled: records - here.size, requests: pages };
}

function unseenOf(
  list: DriftingList,
  there: readonly string[],
  met: ReadonlySet<string>,
  since: number,
): number {
  return there.filter((userId) => !met.has(userId) && list.presentSince(userId, since)).length;
}

/** Reads the head again until a page shows no user who acted since the walk began. */
function cheaper(users: number, moves: number, trials: number): string {
  const sums = { one: 0, head: 0, two: 0, requestsOne: 0, requestsHead: 0, requestsTwo: 0 };
  const list = createDriftingList(users, moves, users + moves * 7);
  for (let trial = 0; trial < trials; trial++) {
    const since = list.now();
    const there = list.ids();
    const newest = list.page(1, PER_PAGE).records[0]?.last_event ?? '';
    const { met, requests } = onePass(list);
    sums.one += unseenOf(list, there, met, since);
    sums.requestsOne += requests;
    const withHead = new Set(met);
    for (let page = 1; ; page++) {
      sums.requestsHead++;
      const { records } = list.page(page, PER_PAGE);
      for (const one of records) withHead.add(one.user_id);
      if (records.every((one) => one.last_event <= newest)) break;
    }
    sums.requestsHead += requests;
    sums.head += unseenOf(list, there, withHead, since);
    const second = onePass(list, met);
    sums.two += unseenOf(list, there, met, since);
    sums.requestsTwo += requests + second.requests;
  }
  const mean = (sum: number) => (sum / trials).toFixed(2);
  return `| ${users.toLocaleString('en-US')} | ${moves} | ${mean(sums.one)} | ${mean(sums.head)} | ${mean(sums.two)} | ${[sums.requestsOne, sums.requestsHead, sums.requestsTwo].map((sum) => Math.round(sum / trials)).join(', ')} |`;
}

function row(cell: (typeof CELLS)[number], trials: readonly Trial[]): string {
  const share = (what: (trial: Trial) => boolean) =>
    `${((100 * trials.filter(what).length) / trials.length).toFixed(trials.length < 100 ? 0 : 1)} %`;
  const mean = (what: (trial: Trial) => number, digits = 2) =>
    (trials.reduce((sum, trial) => sum + what(trial), 0) / trials.length).toFixed(digits);
  const total = (what: (trial: Trial) => number) => trials.reduce((sum, trial) => sum + what(trial), 0);
  const estimated = trials.filter(({ estimate }) => estimate !== null);
  return `| ${[
    cell.users.toLocaleString('en-US'),
    cell.moves,
    trials.length,
    `${share((t) => t.naiveMissed > 0)} (${mean((t) => t.naiveMissed, 1)})`,
    `${share((t) => t.naiveDoubled > 0)} (${mean((t) => t.naiveDoubled, 1)})`,
    share((t) => t.verdict === 'complete'),
    share((t) => t.verdict === 'partial'),
    total((t) => t.falseClears),
    total((t) => t.neverServed),
    share((t) => t.verdict === 'complete' && t.unseen > 0),
    estimated.length === 0
      ? '–'
      : (estimated.reduce((sum, t) => sum + (t.estimate ?? 0), 0) / estimated.length).toFixed(3),
    mean((t) => t.unseen, 3),
    mean((t) => t.passes),
    `${mean((t) => t.requests, 0)} (naive ${Math.ceil(cell.users / PER_PAGE)})`,
  ].join(' | ')} |`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
