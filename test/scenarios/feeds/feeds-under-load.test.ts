// P4 under load: six accounts publish in parallel. Meanwhile four readers poll by watermark, a second PostgreSQL
// subscribes, and `export --state` runs in a loop. Readers and exporters are killed, and connections of the subscriber
// cut, at random instants. Each ends with exactly the rows of the tables. FEED_LOADS and FEED_KILLS set the size.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Pool } from '../../../src/db/pool.ts';
import { startScriptedApi, type ScriptedApi } from '../../support/api/scripted-api.ts';
import { childScript, type Child, type ChildScript } from '../../support/child.ts';
import { CLI } from '../../support/cli.ts';
import { startLogicalServer, type LogicalServer } from '../../support/database/servers/logical-server.ts';
import { testPool, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { RISK_TABLES } from '../../support/database/risk-tables.ts';
import { FEED_DATASETS, loadFeed, loadWhole } from '../../support/oracle/feed-reader.ts';
import { createWatermarkReader, type Kept } from '../../support/oracle/watermark-reader.ts';
import { runCommand } from '../../support/run-command.ts';
import { runSyncOf } from '../../support/stage.ts';
import { listingOf, serving } from '../../support/world/random-serving.ts';
import { apply, change, uuidOf, type World } from '../../support/world/random-world.ts';

const LOADS = Number(process.env['FEED_LOADS'] ?? 1);
/** Of readers, and as many of exporters, over all loads. */
const KILLS = Number(process.env['FEED_KILLS'] ?? 1);
const KILLS_EACH = Math.ceil(KILLS / LOADS);
const ACCOUNTS = 6;
const POLLERS = 4;
/** Of each account, and calls of the exporter that are not killed. */
const [LEAST_RUNS, LEAST_EXPORTS] = LOADS > 1 ? [10, 3] : [4, 2];
const HOUR = 3_600_000;

let publisher: LogicalServer;
let subscriber: LogicalServer;
let api: ScriptedApi;
let poll: ChildScript;
let folder: string;
before(async () => {
  [publisher, subscriber, api, poll, folder] = await Promise.all([
    startLogicalServer(),
    // By default, a subscription waits for 5 s after a lost connection.
    startLogicalServer({ wal_retrieve_retry_interval: '50ms' }),
    startScriptedApi(),
    childScript('children/poll-child.ts'),
    mkdtemp(path.join(tmpdir(), 'feeds-')),
  ]);
});
after(async () => {
  await poll.close();
  await api.close();
  await Promise.all([publisher.stop(), subscriber.stop(), rm(folder, { recursive: true })]);
});

/** Random syncs of one account, until `isOver` and at least `LEAST_RUNS` of them. */
async function publishOn(pool: Pool, name: string, isOver: () => boolean): Promise<number> {
  const account = { id: uuidOf(name).replaceAll('-', ''), meanings: new Map() };
  const world: World = { name, people: [], lost: undefined };
  const step = fc.tuple(fc.array(change, { minLength: 2, maxLength: 6, size: 'max' }), serving);
  const steps = fc.sample(step, 200);
  let time = Date.now() - 300 * 24 * HOUR;
  let runs = 0;
  for (; runs < LEAST_RUNS || !isOver(); runs++) {
    const [changes, how] = steps[runs % steps.length]!;
    for (const what of changes) apply(world, what);
    api.serve(account.id, listingOf(world, how, account.meanings));
    time += HOUR;
    await runSyncOf(account.id, { pool, client: api.client }, { observedAt: new Date(time) });
  }
  return runs;
}

const randomMs = (most: number) => Math.floor(Math.random() * most);

/** One call of `export --state`. Killed after `killMs`, unless it ends before. */
async function exportOnce(url: string, out: string, killMs: number | null): Promise<'ended' | 'killed'> {
  const args = ['export', 'all', '--identities', '--state', `${out}.json`, '--out', out];
  const child = spawn(process.execPath, [CLI, ...args], {
    env: { DATABASE_URL: url },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const timer = killMs === null ? undefined : setTimeout(() => child.kill('SIGKILL'), killMs);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  if (code === null) return 'killed';
  assert.equal(code, 0, said);
  return 'ended';
}

/** Calls in a row, `KILLS_EACH` of them killed and `LEAST_EXPORTS` not, until `isOver`. */
async function exportOn(url: string, out: string, tally: Tally, isOver: () => boolean): Promise<void> {
  let [killed, ended] = [0, 0];
  // The longest call so far: a kill then hits any part of a call, however fast the machine is.
  let longest = 200;
  while (killed < KILLS_EACH || ended < LEAST_EXPORTS || !isOver()) {
    const began = performance.now();
    const end = await exportOnce(url, out, killed < KILLS_EACH ? randomMs(longest) : null);
    if (end === 'killed') killed++;
    else ended++;
    if (end === 'ended') longest = Math.max(longest, performance.now() - began);
    tally[`export ${end}`] = (tally[`export ${end}`] ?? 0) + 1;
  }
}

type Tally = Record<string, number>;

/** Readers that are killed in turn, and started again on their files. */
async function pollOn(url: string, out: string, tally: Tally, isOver: () => boolean): Promise<void> {
  const start = (n: number) => poll.start({ databaseUrl: url, file: `${out}-reader-${n}.json` });
  const readers: Child[] = Array.from({ length: POLLERS }, (_, n) => start(n));
  for (let killed = 0; killed < KILLS_EACH || !isOver();) {
    if (killed === KILLS_EACH) {
      await sleep(20);
      continue;
    }
    const n = killed % POLLERS;
    await readers[n]!.line('kept');
    await sleep(randomMs(100));
    readers[n]!.kill('SIGKILL');
    await readers[n]!.ended;
    readers[n] = start(n);
    tally['reader killed'] = ++killed;
  }
  for (const reader of readers) reader.say('end');
  for (const reader of readers)
    assert.deepEqual(await reader.ended, { code: 0, signal: null }, reader.stderr());
}

async function subscribe(source: MigratedDatabase, copy: MigratedDatabase, login: string): Promise<void> {
  const command = (...args: string[]) => runCommand(args, { DATABASE_URL: source.url });
  for (const args of [
    ['migrate', '--roles'],
    ['publication', 'create', '--identities'],
  ]) {
    const { code, stderr } = await command(...args);
    assert.equal(code, 0, stderr);
  }
  await source.rows(`create role ${login} login replication password 'a' in role risk_pii_reader`);
  const { hostname, port, pathname } = new URL(source.url);
  await copy.rows(`create subscription zt_risk_sync
    connection 'host=${hostname} port=${port} dbname=${pathname.slice(1)} user=${login} password=a'
    publication zt_risk_sync with (slot_name = ${login})`);
}

async function contents(db: MigratedDatabase): Promise<Record<string, string[]>> {
  const entries: [string, string[]][] = [];
  for (const table of RISK_TABLES) {
    const rows = await db.rows<{ row: string }>(
      `select t::text as row from risk.${table} t order by t::text collate "C"`,
    );
    entries.push([table, rows.map(({ row }) => row)]);
  }
  return Object.fromEntries(entries);
}

/** The subscriber is behind by an unknown time, so it is asked again until it has caught up. */
async function assertCaughtUp(source: MigratedDatabase, copy: MigratedDatabase): Promise<void> {
  const wanted = await contents(source);
  for (let tries = 0; ; tries++) {
    const found = await contents(copy);
    try {
      return assert.deepEqual(found, wanted, 'the subscriber');
    } catch (error) {
      if (tries === 600) throw error;
      await sleep(50);
    }
  }
}

async function load(t: TestContext, number: number): Promise<void> {
  const [source, copy] = await Promise.all([publisher.database(), subscriber.database()]);
  const pool = testPool(source.url, 20);
  t.after(() => pool.end());
  const out = path.join(folder, `load-${number}`);
  const login = `feed_${number}`;
  const tally: Tally = {};
  const names = Array.from({ length: ACCOUNTS }, (_, n) => `${number}-${n}`);
  const killing = [true, true, true];
  const areKilled = () => !killing.includes(true);
  let arePublished = false;
  const publishing = Promise.all(names.map((name) => publishOn(pool, name, areKilled))).finally(
    () => (arePublished = true),
  );
  const ending = (n: number) => () => {
    killing[n] = false;
    return arePublished;
  };
  // The subscription begins half-way: its first copy has to fit together with the changes after it.
  await subscribe(source, copy, login);
  const cutting = (async () => {
    for (let cuts = 0; cuts < KILLS_EACH; cuts++) {
      await sleep(randomMs(300));
      const cut = await publisher.admin.query(
        `select pg_terminate_backend(pid) from pg_stat_replication where usename = $1`,
        [login],
      );
      tally['connections cut'] = (tally['connections cut'] ?? 0) + (cut.rowCount ?? 0);
    }
    killing[2] = false;
  })();
  const [runs] = await Promise.all([
    publishing,
    exportOn(source.url, out, tally, ending(0)),
    pollOn(source.url, out, tally, ending(1)),
    cutting,
  ]);
  t.diagnostic(`load ${number}: ${runs.reduce((a, b) => a + b)} runs, ${JSON.stringify(tally)}`);

  await exportOnce(source.url, out, null);
  const whole = await runCommand(['export', ...FEED_DATASETS, '--identities', '--out', `${out}-whole/`], {
    DATABASE_URL: source.url,
  });
  assert.equal(whole.code, 0, whole.stderr);
  assert.deepEqual(await loadFeed(`${out}.json`, out), await loadWhole(`${out}-whole`, 'csv'));
  for (let n = 0; n < POLLERS; n++) {
    const file = `${out}-reader-${n}.json`;
    const kept = existsSync(file) ? (JSON.parse(await readFile(file, 'utf8')) as Kept) : {};
    await createWatermarkReader(source.pool, undefined, kept).verify();
  }
  await assertCaughtUp(source, copy);
  await assertDeletesTravel(source, copy);
  await leave(source, copy);
  await Promise.all([source.close(), copy.close()]);
}

/** Rows that are erased or pruned leave the subscriber as well. */
async function assertDeletesTravel(source: MigratedDatabase, copy: MigratedDatabase): Promise<void> {
  for (const table of RISK_TABLES.filter((name) => name.startsWith('user')))
    await source.rows(`delete from risk.${table} where user_key % 2 = 0`);
  await source.rows(`update risk.user_identities set email = null, name = null`);
  await assertCaughtUp(source, copy);
}

async function leave(source: MigratedDatabase, copy: MigratedDatabase): Promise<void> {
  const drop = () => runCommand(['publication', 'drop'], { DATABASE_URL: source.url });
  const refused = await drop();
  assert.match(
    refused.stderr,
    /^error PUBLICATION_IN_USE: Readers are connected to this database \(feed_\d+\)/,
  );
  assert.deepEqual([refused.code, refused.stdout], [75, '']);
  await copy.rows('drop subscription zt_risk_sync');
  assert.deepEqual(await drop(), { code: 0, stdout: 'publication zt_risk_sync: dropped\n', stderr: '' });
}

for (let number = 1; number <= LOADS; number++)
  test(`six accounts publish, and pollers, a subscriber and an exporter end with exactly the rows of the tables (${number} of ${LOADS})`, (t) =>
    load(t, number));
