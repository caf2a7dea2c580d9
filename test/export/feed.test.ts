// `export --state`: syncs and exports happen in any order, and exports are interrupted anywhere. The files that the
// state lists hold every row once. Loaded in order, they equal a whole export.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { allDatasets, datasetOf, type DatasetName } from '../../src/export/datasets.ts';
import { exportFeed, type FeedRequest } from '../../src/export/export-feed.ts';
import { FORMATS, type ExportFormat } from '../../src/export/select-rows.ts';
import { labelAccount } from '../../src/upkeep/accounts.ts';
import { startScriptedApi, type ScriptedApi } from '../support/api/scripted-api.ts';
import { childScript } from '../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { CITUS_URL, onOnePostgres } from '../support/database/distributed-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import {
  FEED_DATASETS,
  loadFeed,
  type StateFile,
  loadLake,
  loadWhole,
} from '../support/oracle/feed-reader.ts';
import { runCommand } from '../support/run-command.ts';
import { runSyncOf } from '../support/stage.ts';
import { listingOf, serving, type Serving } from '../support/world/random-serving.ts';
import { apply, change, uuidOf, type Change, type World } from '../support/world/random-world.ts';

/** For each form. */
const RUNS = Number(process.env['FEED_RUNS'] ?? 1);
const HOUR = 3_600_000;

type Form = ExportFormat | 'partitions';
/** A distributed history is slower, and no different for a format. There, each account has its own watermarks. */
const FORMS: readonly Form[] = CITUS_URL === '' ? [...FORMATS, 'partitions'] : ['csv', 'partitions'];
const [FEWEST, MOST] = CITUS_URL === '' ? [10, 20] : [8, 12];
const NAMES = CITUS_URL === '' ? ['one', 'two'] : ['one', 'two', 'three'];

let api: ScriptedApi;
let folder: string;

before(async () => {
  api = await startScriptedApi();
  folder = await mkdtemp(path.join(tmpdir(), 'feed-'));
});
after(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

type Step =
  | { kind: 'sync'; who: number; changes: Change[]; serving: Serving }
  | {
      kind: 'export';
      datasets: readonly DatasetName[];
      gzip: boolean;
      end: 'whole' | 'files named' | 'reading';
      /** "reading" ends after this many chunks of bytes. */
      chunks: number;
    }
  | { kind: 'label'; who: number; label: string };

const some = fc.subarray([...FEED_DATASETS], { minLength: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('sync' as const),
      who: fc.nat(NAMES.length - 1),
      changes: fc.array(change, { minLength: 1, maxLength: 5 }),
      serving,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('export' as const),
      datasets: fc.oneof(fc.constant([...FEED_DATASETS]), some),
      gzip: fc.boolean(),
      end: fc.constantFrom('whole', 'whole', 'files named', 'reading'),
      chunks: fc.nat(3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('label' as const),
      who: fc.nat(NAMES.length - 1),
      label: fc.string({ minLength: 1 }),
    }),
  },
);

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
}

const CUT = new Error('killed');
let worlds = 0;

async function live(form: Form, steps: readonly Step[], tally: Record<string, number>): Promise<void> {
  const db = await migratedDatabase();
  const partition = form === 'partitions';
  const format = partition ? 'parquet' : form;
  const out = path.join(folder, `world-${worlds++}`);
  const stateFile = `${out}.json`;
  const accounts = NAMES.map((name) => ({
    id: uuidOf(name).replaceAll('-', ''),
    world: { name, people: [], lost: undefined } as World,
    meanings: new Map(),
  }));
  let time = Date.now() - 300 * 24 * HOUR;
  const feed = ({ datasets, gzip, end, chunks }: Extract<Step, { kind: 'export' }>) => {
    const stop = new AbortController();
    let left = chunks;
    const deps = {
      pool: db.pool,
      signal: stop.signal,
      onProgress: () => end === 'reading' && left-- <= 0 && stop.abort(CUT),
      async beforeState() {
        if (end === 'files named') throw CUT;
      },
    };
    const request: FeedRequest = {
      stateFile,
      folder: out,
      datasets: datasets.map((name) => datasetOf(name, true)),
      partition,
      accounts: null,
      format,
      gzip: gzip && format !== 'parquet',
      forPeople: false,
    };
    return exportFeed(deps, request);
  };
  try {
    for (const next of [
      ...steps,
      { kind: 'export', datasets: [...FEED_DATASETS], gzip: false, end: 'whole', chunks: 0 } as const,
    ]) {
      if (next.kind === 'export') {
        const result = await feed(next).catch((error: unknown) => error);
        if (result instanceof Error && result !== CUT) throw result;
        tally[result === CUT ? `cut: ${next.end}` : 'exported'] =
          (tally[result === CUT ? `cut: ${next.end}` : 'exported'] ?? 0) + 1;
        if (existsSync(stateFile)) await loadFeed(stateFile, out);
        await describedFiles(out);
        continue;
      }
      const account = accounts[next.who]!;
      if (next.kind === 'label') {
        await labelAccount(db.pool, account.id, next.label).catch(() => undefined);
        continue;
      }
      for (const what of next.changes) apply(account.world, what);
      api.serve(account.id, listingOf(account.world, next.serving, account.meanings));
      time += HOUR;
      const { error } = await runSyncOf(
        account.id,
        { pool: db.pool, client: api.client },
        { observedAt: new Date(time) },
      );
      tally[error === null ? 'synced' : 'failed'] = (tally[error === null ? 'synced' : 'failed'] ?? 0) + 1;
    }
    const whole = await runCommand(
      ['export', ...FEED_DATASETS, '--identities', '--format', format, '--out', `${out}-whole/`],
      { DATABASE_URL: db.url },
    );
    assert.equal(whole.code, 0, whole.stderr);
    assert.deepEqual(await loadFeed(stateFile, out), await loadWhole(`${out}-whole`, format));
    const { files } = JSON.parse(await readFile(stateFile, 'utf8')) as StateFile;
    const listed = files.map(({ name }) => name);
    const described = await describedFiles(out);
    assert.deepEqual(described.toSorted(), partition ? [] : listed.toSorted());
    assert.deepEqual(
      (await filesBelow(out)).toSorted(),
      [...listed, ...(described.length > 0 ? ['datapackage.json'] : [])].toSorted(),
      'nothing is left over',
    );
    if (partition) assert.deepEqual(await loadLake(out), await loadWhole(`${out}-whole`, format));
  } finally {
    await db.close();
  }
}

/** What datapackage.json names. Each of these files must be there, also after a call that was cut off. */
async function describedFiles(out: string): Promise<string[]> {
  const file = path.join(out, 'datapackage.json');
  if (!existsSync(file)) return [];
  const { resources } = JSON.parse(await readFile(file, 'utf8')) as {
    resources: { path: string | string[] }[];
  };
  const named = resources.flatMap((resource) => resource.path);
  for (const name of named) assert.ok(existsSync(path.join(out, name)), name);
  return named;
}

test('random syncs and exports, some of them interrupted: the listed files equal a whole export, and repeat no row', async (t) => {
  const tally: Record<string, number> = {};
  // Each form has other steps.
  const { seed } = fc.readConfigureGlobal();
  for (const [n, form] of FORMS.entries())
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: FEWEST, maxLength: MOST, size: 'max' }), (steps) =>
        live(form, steps, tally),
      ),
      { numRuns: RUNS, ...(seed === undefined ? {} : { seed: seed + n }) },
    );
  t.diagnostic(JSON.stringify(tally));
  // The few steps on a distributed history need not hold all of these.
  if (process.env['FC_SEED'] !== undefined || CITUS_URL !== '') return;
  for (const what of ['synced', 'failed', 'exported', 'cut: files named', 'cut: reading'])
    assert.ok((tally[what] ?? 0) > 0, what);
});

/** A history of one account of ten users, and `export --state` on it. */
async function feedOf(name: string) {
  const db: MigratedDatabase = await migratedDatabase();
  const seed = async (id: string) => seedAccount(db.pool, await claimAccount(db.pool, id), { keys: 10 });
  await seed('1'.repeat(32));
  const out = path.join(folder, name);
  const stateFile = `${out}.json`;
  return {
    db,
    seed,
    out,
    stateFile,
    state: async () => JSON.parse(await readFile(stateFile, 'utf8')) as StateFile,
    feed: (...args: string[]) =>
      runCommand(['export', ...args, '--out', out, '--state', stateFile], { DATABASE_URL: db.url }),
  };
}

test('an export that is killed between the names and the state: the next call names the file and writes its rows again', async (t) => {
  const { db, seed, out, stateFile, state, feed } = await feedOf('killed');
  t.after(() => db.close());
  const script = await childScript('children/feed-child.ts');
  t.after(() => script.close());
  const child = script.start({
    databaseUrl: db.url,
    stateFile,
    folder: out,
    datasets: ['users', 'levels'],
    format: 'csv',
    partition: false,
    waits: true,
  });
  await child.line('named');
  const [levels = '', users = ''] = (await readdir(out)).toSorted();
  const busy = await feed('users');
  assert.match(busy.stderr, /^error FEED_LOCKED: .*process \d+ on /);
  assert.equal(busy.code, 75);
  child.kill('SIGKILL');
  await child.ended;
  assert.deepEqual((await state()).files, []);
  for (const name of [users, 'datapackage.json'])
    await writeFile(path.join(out, `.${name}.0123456789ab.part`), 'half of a f');
  await seed('2'.repeat(32));
  const { code, stdout, stderr } = await feed('users');
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`^Unfinished, .*: ${users}\\. `, 'm'));
  assert.match(stdout, /^users: 20 rows, /m);
  const again = await feed('users', 'levels');
  assert.match(again.stdout, new RegExp(`^Unfinished, .*: ${levels}\\. `, 'm'));
  assert.doesNotMatch(again.stdout, /^users/m);
  const names = (await state()).files.map(({ name }) => name);
  assert.deepEqual((await readdir(out)).toSorted(), ['datapackage.json', ...names].toSorted());
  const loaded = await loadFeed(stateFile, out);
  assert.deepEqual([loaded.get('users')?.size, loaded.get('levels')?.size], [20, 20]);
});

test('a call without anything new adds no file, and removed files leave the list', async (t) => {
  const { db, seed, out, state, feed } = await feedOf('taken-away');
  t.after(() => db.close());
  await feed('all');
  const { files } = await state();
  assert.equal(files.length, allDatasets(false).length - 3, 'no run, no change of a level and no prune yet');
  const { code, stdout } = await feed('all');
  assert.equal(code, 0);
  assert.match(stdout, /^Nothing is new\nWatermark(?: \d+|s of 1 account), kept in /);
  assert.deepEqual((await state()).files, files);
  await rm(path.join(out, files[0]!.name));
  await seed('2'.repeat(32));
  const names = (await feed('accounts').then(state)).files.map(({ name }) => name);
  assert.deepEqual(
    names.slice(0, -1),
    files.slice(1).map(({ name }) => name),
  );
  assert.match(names.at(-1) ?? '', /^accounts-0{11}\d-0{11}\d\.csv$/);
});

test('a feed that went back or has another epoch is refused with a fix, and nothing is written', async (t) => {
  const { db, out, state, feed } = await feedOf('restored');
  t.after(() => db.close());
  await feed('users');
  const before = await state();
  const restores = [
    'update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id - 1',
    `update risk_internal.feed_clock set last_snapshot_id = last_snapshot_id + 9, epoch = '${randomUUID()}'`,
  ];
  for (const restore of restores) {
    await db.pool.query(restore);
    const { code, stderr } = await feed('users', 'levels');
    assert.match(stderr, /^error FEED_WENT_BACK: .*\n.*nothing was exported\.\n.*new state file/);
    assert.equal(code, 1);
    assert.deepEqual(await state(), before);
    assert.deepEqual((await readdir(out)).toSorted(), ['datapackage.json', before.files[0]!.name]);
  }
});

const continues = { skip: onOnePostgres('the test writes the epochs of one clock') };
test(
  'a feed goes on in a history that continues the exported one, but only from a value that both share',
  continues,
  async (t) => {
    const { db, seed, out, stateFile, state, feed } = await feedOf('continued');
    t.after(() => db.close());
    await feed('users', 'levels');
    const { epoch, watermarks } = await state();
    const upTo = watermarks.users ?? 0;
    const move = (beganAfter: number) =>
      db.pool.query(
        `with moved as (insert into risk_internal.epochs
         select account_key, gen_random_uuid(), epoch, $1::bigint, now(), 'moved' from risk_internal.feed_clock returning epoch)
       update risk_internal.feed_clock c set epoch = moved.epoch from moved`,
        [beganAfter],
      );
    await move(upTo);
    await seed('2'.repeat(32));
    assert.equal((await feed('users')).code, 0);
    assert.notEqual((await state()).epoch, epoch);
    assert.equal((await feed('levels')).code, 0);
    const loaded = await loadFeed(stateFile, out);
    assert.deepEqual([loaded.get('users')?.size, loaded.get('levels')?.size], [20, 20]);
    await move(upTo);
    const { code, stderr } = await feed('users');
    assert.match(
      stderr,
      new RegExp(`^error FEED_WENT_BACK: The exported history is this one up to ${upTo}, and `),
    );
    assert.equal(code, 1);
  },
);

test('a feed keeps to its folder, its accounts and its state', async (t) => {
  const { db, seed, out, stateFile, feed } = await feedOf('its-own');
  t.after(() => db.close());
  await seed('2'.repeat(32));
  await feed('users', '--account', '1'.repeat(32));
  const refused = async (code: string, exit: number, args: readonly string[]) => {
    const result = await runCommand(['export', ...args], { DATABASE_URL: db.url });
    assert.match(result.stderr, new RegExp(`^error:? ?${code}`), args.join(' '));
    assert.deepEqual([result.code, result.stdout], [exit, '']);
  };
  const other = `${stateFile}.other`;
  await refused('EXPORT_OPTIONS', 64, ['users', '--state', stateFile, '--out', out]);
  await refused('EXPORT_OPTIONS', 64, ['users', '--state', other, '--out', out]);
  await refused('EXPORT_OPTIONS', 64, ['users', '--state', other]);
  await refused('EXPORT_OPTIONS', 64, ['users', '--state', '-', '--out', `${out}-x/`]);
  await refused('EXPORT_OPTIONS', 64, ['users', '--state', stateFile, '--out', out, '--partition']);
  await refused('EXPORT_OPTIONS', 64, [
    'users',
    '--state',
    other,
    '--out',
    `${out}-x`,
    '--partition',
    '--format',
    'csv',
  ]);
  await refused('OUTPUT_FAILED', 1, [
    'users',
    '--state',
    path.join(out, 'none', 'feed.json'),
    '--out',
    `${out}-x`,
  ]);
  await refused('OUTPUT_FAILED', 1, ['users', '--state', other, '--out', path.join(stateFile, 'feed')]);
  await refused('OUTPUT_FAILED', 1, ['users', '--partition', '--out', stateFile]);
  await refused('EXPORT_OPTIONS', 64, ['users', '--state', other, '--out', 'users.csv']);
  await refused('EXPORT_OPTIONS', 64, ['snapshot-users', '--state', other, '--out', `${out}-x/`]);
  await refused('IDENTITIES_NOT_ASKED', 64, ['identities', '--state', other, '--out', `${out}-x/`]);
  await refused("option '--state <file>' cannot be used with option '--after", 64, [
    'users',
    '--state',
    other,
    '--after',
    '1',
  ]);
  assert.ok(!existsSync(other) && !existsSync(`${out}-x`) && !existsSync(`${stateFile}.lock`));
  await writeFile(stateFile, '{"version": 2}');
  await refused('FEED_STATE_BROKEN', 1, ['users', '--state', stateFile, '--out', out]);
});
