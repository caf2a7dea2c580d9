import assert from 'node:assert/strict';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import {
  checkMigrations,
  holdSchema,
  migrate,
  migrationsFolder,
  pendingOf,
  requireMigrated,
} from '../../src/db/migrate.ts';
import type { Pool } from '../../src/db/pool.ts';
import { readReleased, releasedFile } from '../../src/db/released-migrations.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../src/db/transaction.ts';
import { OperatorError } from '../../src/errors.ts';
import { readMigrations } from '../../scripts/migrations/folder.ts';
import { releaseAll } from '../../scripts/migrations/released.ts';
import { childScript, type Child, type ChildScript } from '../support/child.ts';
import { createTestDatabase } from '../support/database/test-database.ts';
import { testPool } from '../support/database/migrated-database.ts';

type Journal = {
  entries: { idx: number; when: number; tag: string; version: string; breakpoints: boolean }[];
};

const whole = migrationsFolder();
const journal = JSON.parse(await readFile(path.join(whole, 'meta/_journal.json'), 'utf8')) as Journal;
const all = journal.entries.length;

/** A copy of the migrations folder with only the first `count` migrations, as in an older release. */
async function folderWith(t: TestContext, count: number): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-migrations-'));
  t.after(() => rm(folder, { recursive: true }));
  await mkdir(path.join(folder, 'meta'));
  const entries = journal.entries.slice(0, count);
  for (const { tag } of entries) await cp(path.join(whole, `${tag}.sql`), path.join(folder, `${tag}.sql`));
  await writeFile(path.join(folder, 'meta/_journal.json'), JSON.stringify({ ...journal, entries }));
  return folder;
}

/** Marks all migrations in the folder as released. */
async function releasedFolder(t: TestContext): Promise<string> {
  const folder = await folderWith(t, all);
  await writeFile(releasedFile(folder), JSON.stringify(releaseAll(readMigrations(folder))));
  return folder;
}

async function addMigration(folder: string, tag: string, text: string): Promise<void> {
  const file = path.join(folder, 'meta/_journal.json');
  const now = JSON.parse(await readFile(file, 'utf8')) as Journal;
  const idx = now.entries.length;
  const when = (now.entries.at(-1)?.when ?? 0) + 1;
  now.entries.push({ idx, when, tag, version: '7', breakpoints: true });
  await writeFile(file, JSON.stringify(now));
  await writeFile(path.join(folder, `${tag}.sql`), text);
}

async function emptyDatabase(t: TestContext, encoding?: string): Promise<{ url: string; pool: Pool }> {
  const { url, drop } = await createTestDatabase(encoding);
  const pool = testPool(url);
  t.after(async () => {
    await pool.end();
    await drop();
  });
  return { url, pool };
}

async function refusal(work: Promise<unknown>): Promise<OperatorError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof OperatorError, `expected an OperatorError, got ${String(error)}`);
  return error;
}

async function schemasOf(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    "select nspname as name from pg_namespace where nspname like 'risk%' or nspname = 'later' order by 1",
  );
  return rows.map((row) => row.name);
}

async function appliedTo(pool: Pool): Promise<number> {
  const { rows } = await pool.query('select 1 from risk_internal.migrations');
  return rows.length;
}

describe('twenty migrators at once', () => {
  let script: ChildScript;
  let migrators: Child[];
  before(async () => {
    script = await childScript('children/migrate-child.ts');
    migrators = Array.from({ length: 20 }, () => script.start({}));
    await Promise.all(migrators.map((migrator) => migrator.line('ready')));
  });
  after(() => script.close());

  /** What each of them prints. */
  async function migrateAll(url: string, folder: string): Promise<string[]> {
    for (const migrator of migrators) migrator.say(JSON.stringify({ url, folder }));
    return Promise.all(migrators.map((migrator) => migrator.line('')));
  }

  test('all succeed on an empty database, and each migration is applied once', async (t) => {
    const { url, pool } = await emptyDatabase(t);
    const said = await migrateAll(url, whole);
    assert.deepEqual(
      said.filter((line) => !line.startsWith('done ')),
      [],
    );
    const applied = said.map((line) => (JSON.parse(line.slice(5)) as { applied: number }).applied);
    assert.deepEqual(
      applied.filter((count) => count > 0),
      [all],
    );
    assert.equal(await appliedTo(pool), all);
    assert.deepEqual(await checkMigrations(pool), { applied: all, pending: 0 });
  });

  test('all succeed on a database that is one version behind', async (t) => {
    const { url, pool } = await emptyDatabase(t);
    assert.deepEqual(await migrate(pool, await folderWith(t, all - 1)), { applied: all - 1 });
    assert.deepEqual(await checkMigrations(pool), { applied: all - 1, pending: 1 });
    const said = await migrateAll(url, whole);
    const applied = said.map((line) => (JSON.parse(line.slice(5)) as { applied: number }).applied);
    assert.deepEqual(applied.toSorted(), [...Array<number>(19).fill(0), 1]);
    assert.equal(await appliedTo(pool), all);
  });

  test('all fail with the same error when the last migration is broken, and leave nothing behind', async (t) => {
    const { url, pool } = await emptyDatabase(t);
    // One migration before it is enough: each process applies it and rolls it back.
    const folder = await folderWith(t, 1);
    await addMigration(
      folder,
      '9999_broken',
      'create schema later;\n--> statement-breakpoint\nselect 1 / 0;',
    );
    const said = await migrateAll(url, folder);
    assert.deepEqual(
      said.filter((line) => !line.startsWith('failed 22012')),
      [],
    );
    assert.deepEqual(await schemasOf(pool), []);
  });
});

test('a second migrate applies nothing, and the folder holds the migrations in its journal', async (t) => {
  const { pool } = await emptyDatabase(t);
  assert.deepEqual(await migrate(pool), { applied: all });
  assert.deepEqual(await migrate(pool), { applied: 0 });
  const files = (await readdir(whole)).filter((name) => name.endsWith('.sql')).toSorted();
  assert.deepEqual(
    files,
    journal.entries.map(({ tag }) => `${tag}.sql`),
  );
});

test('a failing migration among others leaves nothing behind on an empty database', async (t) => {
  const { pool } = await emptyDatabase(t);
  const folder = await folderWith(t, all);
  await addMigration(folder, '9998_broken', 'create schema later;\n--> statement-breakpoint\nselect 1 / 0;');
  await addMigration(folder, '9999_never_reached', 'create table later.t (n integer);');
  await assert.rejects(migrate(pool, folder), { code: '22012' });
  assert.deepEqual(await schemasOf(pool), []);
  // With the migration repaired, it succeeds: the failed attempt left nothing in the way.
  assert.deepEqual(await migrate(pool), { applied: all });
});

test('a failing migration leaves an outdated database unchanged', async (t) => {
  const { pool } = await emptyDatabase(t);
  await migrate(pool);
  const folder = await folderWith(t, all);
  await addMigration(
    folder,
    '9999_broken',
    'create schema later;\n--> statement-breakpoint\ndrop table risk.users cascade;\n--> statement-breakpoint\nselect 1 / 0;',
  );
  await assert.rejects(migrate(pool, folder), { code: '22012' });
  assert.deepEqual(await schemasOf(pool), ['risk', 'risk_bi', 'risk_internal']);
  assert.equal(await appliedTo(pool), all);
  await pool.query('select from risk.users');
});

test('a released migration that was changed after it was applied is refused', async (t) => {
  const { pool } = await emptyDatabase(t);
  await migrate(pool);
  const folder = await releasedFolder(t);
  await appendFile(path.join(folder, `${journal.entries[1]?.tag}.sql`), '\n-- a harmless remark\n');
  for (const work of [migrate, checkMigrations]) {
    const error = await refusal(work(pool, folder));
    assert.equal(error.code, 'MIGRATION_CHANGED');
    assert.equal(error.exit, 78);
    assert.match(error.message, /Migration 2 /);
  }
});

test('a database made by an unreleased version is refused, before and after the release', async (t) => {
  const { pool } = await emptyDatabase(t);
  const unreleased = await folderWith(t, all);
  await appendFile(path.join(unreleased, `${journal.entries[0]?.tag}.sql`), '\n-- an earlier draft\n');
  await migrate(pool, unreleased);
  for (const folder of [await folderWith(t, all), await releasedFolder(t)]) {
    for (const work of [migrate, checkMigrations]) {
      const error = await refusal(work(pool, folder));
      assert.equal(error.code, 'MIGRATION_CHANGED');
      assert.equal(error.exit, 78);
      assert.match(error.message, /unreleased version made the database.*Sync into a new database/s);
    }
  }
  // Its own version accepts the database.
  assert.deepEqual(await checkMigrations(pool, unreleased), { applied: all, pending: 0 });
});

test('a folder without released.json has released nothing', async (t) => {
  assert.deepEqual(readReleased(await folderWith(t, all)), []);
});

test('a migration waits for readers for half a minute at most: all others wait for it', async (t) => {
  const { pool } = await emptyDatabase(t);
  const folder = await folderWith(t, 1);
  await addMigration(
    folder,
    '9999_later',
    "create schema later;\n--> statement-breakpoint\ncreate table later.limits as select current_setting('lock_timeout') as lock;",
  );
  await migrate(pool, folder);
  assert.deepEqual((await pool.query('select lock from later.limits')).rows, [{ lock: '30s' }]);
});

test('a changed migration is refused before a pending one is applied', async (t) => {
  const { pool } = await emptyDatabase(t);
  await migrate(pool);
  const folder = await folderWith(t, all);
  await appendFile(path.join(folder, `${journal.entries[0]?.tag}.sql`), '\n-- a harmless remark\n');
  await addMigration(folder, '9999_later', 'create schema later;');
  assert.equal((await refusal(migrate(pool, folder))).code, 'MIGRATION_CHANGED');
  assert.deepEqual(await schemasOf(pool), ['risk', 'risk_bi', 'risk_internal']);
});

test('a database newer than the program is refused by writers and readers', async (t) => {
  const { pool } = await emptyDatabase(t);
  const newer = await folderWith(t, all);
  await addMigration(newer, '9999_later', 'create schema later;');
  await migrate(pool, newer);
  for (const work of [migrate, checkMigrations, requireMigrated]) {
    const error = await refusal(work(pool));
    assert.equal(error.code, 'DATABASE_NEWER');
    assert.equal(error.exit, 78);
    assert.match(error.message, /1 migration ahead/);
  }
});

test('a database that cannot hold every name is refused before anything is written in it', async (t) => {
  for (const encoding of ['LATIN1', 'SQL_ASCII', 'EUC_JP']) {
    const { pool } = await emptyDatabase(t, encoding);
    const error = await refusal(migrate(pool));
    assert.deepEqual([error.code, error.exit], ['DATABASE_ENCODING', 78]);
    assert.match(
      error.message,
      new RegExp(`${encoding}.*createdb --template=template0 --encoding=UTF8`, 's'),
    );
    assert.deepEqual(await schemasOf(pool), []);
  }
});

test('tables of a history without the record of its migrations are refused, and stay as they are', async (t) => {
  for (const [what, leaves] of [
    ['pg_dump -n risk', 'drop schema risk_internal cascade'],
    ['pg_dump -s', 'truncate risk_internal.migrations'],
    [
      'another program',
      'drop schema risk, risk_internal, risk_bi cascade; create schema risk; create table risk.users ()',
    ],
  ] as const) {
    const { pool } = await emptyDatabase(t);
    await migrate(pool);
    await pool.query(leaves);
    const tables = () =>
      pool.query("select schemaname, tablename from pg_tables where schemaname like 'risk%' order by 1, 2");
    const { rows } = await tables();
    for (const work of [migrate, checkMigrations, requireMigrated]) {
      const error = await refusal(work(pool));
      assert.deepEqual([error.code, error.exit], ['HISTORY_COPIED', 78], what);
      assert.match(error.message, /schema risk.*no record of the migrations.*docs\/runbook\.md/s);
    }
    assert.deepEqual((await tables()).rows, rows, what);
  }
});

test('schemas that were made beforehand, without tables, are filled', async (t) => {
  const { pool } = await emptyDatabase(t);
  await pool.query('create schema risk; create schema risk_internal; create schema risk_bi');
  assert.deepEqual(await migrate(pool), { applied: all });
});

test('commands that only read, and runs, refuse an empty or outdated database, and write nothing', async (t) => {
  const { pool } = await emptyDatabase(t);
  const empty = await refusal(requireMigrated(pool));
  assert.equal(empty.code, 'DATABASE_BEHIND');
  assert.equal(empty.exit, 78);
  assert.match(empty.message, /never migrated.*zt-risk-sync migrate/s);
  const writer = await refusal(inTransaction(pool, DEFAULT_LIMITS, holdSchema));
  assert.equal(writer.code, 'DATABASE_BEHIND');
  assert.deepEqual(await schemasOf(pool), []);

  await migrate(pool, await folderWith(t, all - 1));
  const behind = await refusal(requireMigrated(pool));
  assert.equal(behind.code, 'DATABASE_BEHIND');
  assert.match(behind.message, /1 migration behind/);
  assert.equal(await appliedTo(pool), all - 1);

  await migrate(pool);
  await requireMigrated(pool);
});

test('pending migrations follow from the known and the applied ones', () => {
  const known = (hash: string, folderMillis: number) => ({ hash, folderMillis, sql: [], bps: true });
  const applied = (hash: string, created_at: number) => ({ hash, created_at });
  const [a, b, c] = [known('a', 1), known('b', 2), known('c', 3)];
  const [x, y, z] = [applied('a', 1), applied('b', 2), applied('c', 3)];
  const cases: [(typeof a)[], (typeof x)[], string[] | string][] = [
    [[], [], []],
    [[a, b], [], ['a', 'b']],
    [[a, b], [x], ['b']],
    [[a, b], [x, y], []],
    [[a], [x, y], 'DATABASE_NEWER'],
    [[], [x], 'DATABASE_NEWER'],
    [[a, b], [y], 'MIGRATION_CHANGED'],
    [[a, b], [y, x], 'MIGRATION_CHANGED'],
    // A migration inserted in between, older than the last applied one, is never skipped silently.
    [[a, b, c], [x, z], 'MIGRATION_CHANGED'],
    [[a, b], [applied('a', 9)], 'MIGRATION_CHANGED'],
    [[a, b], [applied('q', 1)], 'MIGRATION_CHANGED'],
    // Both changed and newer: the first difference is named.
    [[a], [applied('q', 1), y], 'MIGRATION_CHANGED'],
  ];
  const release = ({ hash, folderMillis }: typeof a) => ({
    file: `${hash}.sql`,
    sha256: hash,
    when: folderMillis,
  });
  for (const [migrations, rows, expected] of cases) {
    if (typeof expected === 'string') {
      assert.throws(() => pendingOf(migrations, rows, []), { code: expected, exit: 78 });
    } else {
      assert.deepEqual(
        pendingOf(migrations, rows, []).map((migration) => migration.hash),
        expected,
      );
    }
  }
  const blamed: [(typeof a)[], (typeof x)[], (typeof a)[], RegExp][] = [
    [[a, b], [applied('q', 1)], [], /unreleased version/],
    [[a, b], [applied('q', 1)], [a, b], /unreleased version/],
    [[a, b], [x, applied('q', 2)], [a], /unreleased version/],
    // This program's own file differs from the released one.
    [[known('q', 1)], [x], [a], /Migration 1 /],
    [[known('q', 1)], [applied('r', 1)], [a], /Migration 1 /],
    [[known('a', 9)], [x], [a], /Migration 1 /],
    // Released, but in another place.
    [[a, b], [y], [a, b], /Migration 1 /],
  ];
  for (const [migrations, rows, released, message] of blamed)
    assert.throws(() => pendingOf(migrations, rows, released.map(release)), { message });
});
