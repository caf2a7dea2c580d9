// An account that shares the database: with a large account, with its own cleared users, or with three accounts that
// are synced at the same time. BENCH_LARGE, BENCH_SMALL and BENCH_CLEARED set the sizes.
import { numbersOf, type Bench } from '../harness/bench.ts';
import type { Figures } from '../harness/measure.ts';
import { median } from '../harness/median.ts';
import { openPool, settle } from '../harness/postgres.ts';
import type { Report } from '../harness/report.ts';
import { caseRow, type References } from '../harness/row.ts';
import { bareCopy, bareWalk } from '../harness/references.ts';
import { migrate, sync, syncTogether, type SyncRequest } from '../harness/sync.ts';

const PER_PAGE = 1_000;
const account = (n: number) => `5e1f${String(n).padStart(28, '0')}`;
const SMALL = numbersOf('BENCH_SMALL', [20_000])[0]!;
const LARGE = numbersOf('BENCH_LARGE', [100_000])[0]!;
const CLEARED = numbersOf('BENCH_CLEARED', [500_000])[0]!;

/**
 * Loads a large account and then a small one. At once reads the small one again, with a fifth of its users missing. The
 * tables have no statistics.
 */
export async function besideLargeAccount(bench: Bench, report: Report): Promise<void> {
  const [large, small] = [account(11), account(12)];
  const loads: Figures[] = [];
  const readings: Figures[] = [];
  const references: References[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    const databaseUrl = await prepared(bench, [
      [large, LARGE],
      [small, SMALL],
    ]);
    await neverAnalyse(databaseUrl);
    const request = { databaseUrl, accountId: small, perPage: PER_PAGE };
    await sync(bench, { ...request, accountId: large });
    loads.push((await sync(bench, request)).figures);
    references.push(await referencesOf(bench, databaseUrl, small));
    await bench.api.control({ account: small, removeShare: 0.2, prepare: PER_PAGE });
    readings.push((await sync(bench, request)).figures);
  }
  const name = (what: string) => ({ case: what, users: SMALL, per_page: PER_PAGE });
  await report.add(caseRow(name(`second account beside ${LARGE}, cold`), loads, references));
  await report.add(caseRow(name('the same, a fifth missing'), readings, references));
}

/** Cleared users must cost nothing. Compares an unchanged run of the present users with and without cleared users. */
export async function afterMassClear(bench: Bench, report: Report): Promise<void> {
  const [alone, beside] = [account(21), account(22)];
  const database = await prepared(bench, [
    [alone, SMALL],
    [beside, SMALL + CLEARED],
  ]);
  const request = (accountId: string): SyncRequest => ({
    databaseUrl: database,
    accountId,
    perPage: PER_PAGE,
  });
  await sync(bench, request(alone));
  await sync(bench, request(beside));
  await settle(database);
  await bench.api.control({ account: beside, keepFirst: SMALL, prepare: PER_PAGE });
  const clearing = { ...request(beside), env: { SYNC_CONFIRM: 'walks' }, args: ['--accept-mass-clear'] };
  // Without lookups, clearing needs complete walks that do not meet these users, and the flag that accepts that number
  // of clears.
  let cleared = 0;
  for (let turn = 0; turn < 3 && cleared < CLEARED; turn++) cleared += (await sync(bench, clearing)).changes;
  if (cleared !== CLEARED) throw new Error(`${cleared} users were cleared, not ${CLEARED}`);
  await settle(database);
  await bench.postgres.checkpoint();
  const figures = { alone: [] as Figures[], beside: [] as Figures[] };
  const references: References[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    figures.alone.push((await sync(bench, request(alone))).figures);
    figures.beside.push((await sync(bench, request(beside))).figures);
    references.push(await referencesOf(bench, database, beside));
  }
  const name = (what: string) => ({ case: what, users: SMALL, per_page: PER_PAGE });
  await report.add(caseRow(name('unchanged, alone'), figures.alone, references));
  await report.add(
    caseRow(name(`unchanged, beside ${CLEARED} cleared`), figures.beside, references, {
      alone_x: wall(figures.beside) / wall(figures.alone),
    }),
  );
}

/** Compares four processes at once with one process, on the same server. */
export async function fourSideBySide(bench: Bench, report: Report): Promise<void> {
  const accounts = [31, 32, 33, 34].map(account);
  const references: References[] = [];
  const runs = { cold: pair(), unchanged: pair() };
  for (let round = 0; round < bench.rounds; round++) {
    const one = await prepared(bench, [[account(30), SMALL]], 'bench_one');
    const four = await prepared(
      bench,
      accounts.map((id) => [id, SMALL]),
    );
    for (const { alone, together } of [runs.cold, runs.unchanged]) {
      const request = { databaseUrl: one, accountId: account(30), perPage: PER_PAGE };
      alone.push((await sync(bench, request)).figures);
      const requests = accounts.map((accountId) => ({ ...request, databaseUrl: four, accountId }));
      together.push((await syncTogether(bench, requests))[0]!.figures);
      await settle(one);
      await settle(four);
    }
    references.push(await referencesOf(bench, one, account(30)));
  }
  for (const [what, { alone, together }] of Object.entries(runs)) {
    const name = (how: string) => ({ case: `${how}, ${what}`, users: SMALL, per_page: PER_PAGE });
    await report.add(caseRow(name('one account'), alone, references));
    const more = { alone_x: wall(together) / wall(alone) };
    await report.add(caseRow(name('four side by side'), together, references, more));
  }
}

function pair(): { alone: Figures[]; together: Figures[] } {
  return { alone: [], together: [] };
}

function wall(rounds: readonly Figures[]): number {
  return median(rounds.map(({ wallMs }) => wallMs));
}

async function prepared(
  bench: Bench,
  accounts: readonly (readonly [string, number])[],
  name = 'bench_others',
): Promise<string> {
  const databaseUrl = await bench.postgres.emptyDatabase(name);
  await migrate(bench, databaseUrl);
  for (const [id, users] of accounts)
    await bench.api.control({
      account: id,
      create: { users, seed: Number(id.slice(-2)) },
      prepare: PER_PAGE,
    });
  return databaseUrl;
}

async function referencesOf(bench: Bench, databaseUrl: string, accountId: string): Promise<References> {
  const { walkMs } = await bareWalk(bench, accountId, PER_PAGE);
  const { copyMs } = await bareCopy(bench, databaseUrl);
  return { walkMs, copyMs };
}

/** Autovacuum would analyse the tables at a different moment in each run. */
async function neverAnalyse(databaseUrl: string): Promise<void> {
  const pool = openPool(databaseUrl);
  await pool.query(
    `do $$ declare name text; begin
    for name in select oid::regclass::text from pg_class where relnamespace in ('risk'::regnamespace, 'risk_internal'::regnamespace) and relkind = 'r'
    loop execute format('alter table %s set (autovacuum_enabled = false)', name); end loop; end $$`,
  );
  await pool.end();
}
