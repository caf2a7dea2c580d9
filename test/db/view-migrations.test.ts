// From src/db/views to migrations: what is written, that it arrives in the database, and which differences the check
// finds.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { wrongInCatalogue } from '../../scripts/migrations/catalogue.ts';
import { readMigrations } from '../../scripts/migrations/folder.ts';
import { brokenReleases, releaseAll } from '../../scripts/migrations/released.ts';
import { viewChanges, viewsAfter } from '../../scripts/migrations/view-changes.ts';
import { inOrder, parseViewFile, readViewFiles, type ViewFile } from '../../scripts/migrations/view-files.ts';
import { planViewMigration, writeViewMigration } from '../../scripts/migrations/view-migration.ts';
import { migrate, migrationsFolder } from '../../src/db/migrate.ts';
import type { Pool } from '../../src/db/pool.ts';
import { releasedFile } from '../../src/db/released-migrations.ts';
import * as schema from '../../src/db/schema.ts';
import { createTestDatabase } from '../support/database/test-database.ts';
import { testPool } from '../support/database/migrated-database.ts';

const files = readViewFiles(path.resolve(import.meta.dirname, '../../src/db/views'));

const view = (name: string, query: string, remark = 'Why.') =>
  parseViewFile(
    name,
    `-- ${remark}\nCREATE OR REPLACE VIEW risk_bi.${name} AS\n${query};\n\nCOMMENT ON VIEW risk_bi.${name} IS 'Not of risk_bi.nothing.';\n`,
  );
const sqlFunction = (name: string, args: string, query: string) =>
  parseViewFile(
    name,
    `-- Why.\nCREATE OR REPLACE FUNCTION risk_bi.${name}(${args})\nRETURNS integer\nLANGUAGE sql STABLE\nAS $$ ${query} $$;\n`,
  );
const names = (list: readonly ViewFile[]) => list.map(({ name }) => name);
/** What a migration drops and creates, in order. */
const steps = (text: string | null) =>
  [...(text ?? '').matchAll(/^(DROP|CREATE OR REPLACE) (?:VIEW|FUNCTION) risk_bi\.(\w+)/gm)].map(
    ([, what, name]) => `${what === 'DROP' ? '-' : '+'}${name}`,
  );

describe('a file of src/db/views', () => {
  test('holds the one definition that the file is named after', () => {
    assert.throws(() => parseViewFile('a', view('b', 'SELECT 1').text), /a\.sql must begin with/);
    assert.throws(() => parseViewFile('a', 'CREATE VIEW risk_bi.a AS SELECT 1;'), /CREATE OR REPLACE/);
    assert.throws(() => view('a', 'SELECT 1\n--> statement-breakpoint\n'), /breakpoint/);
  });

  test('comes after the views that it names, otherwise in order of names', () => {
    const a = view('a', "SELECT x FROM risk_bi.c WHERE x <> 'risk_bi.nowhere' -- nor risk_bi.there");
    const [b, c] = [view('b', 'SELECT 1 AS x'), sqlFunction('c', '', 'SELECT x FROM risk_bi.d')];
    const d = view('d', 'SELECT x FROM risk_bi.b');
    assert.deepEqual(names(inOrder([d, c, b, a])), ['b', 'd', 'c', 'a']);
    assert.deepEqual(names(inOrder([a, b, c, d])), ['b', 'd', 'c', 'a']);
    assert.throws(() => inOrder([a, b]), /a\.sql names risk_bi\.c, which no file makes/);
    const two = parseViewFile('b', `${b.text}CREATE VIEW risk_bi.hidden AS SELECT 1;\n`);
    assert.throws(() => inOrder([two]), /b\.sql names risk_bi\.hidden/);
    assert.throws(
      () => inOrder([view('e', 'SELECT * FROM risk_bi.f'), view('f', 'SELECT * FROM risk_bi.e')]),
      {
        message: 'views in a cycle: e, f',
      },
    );
  });
});

describe('a migration of views', () => {
  const a = view('a', 'SELECT 1 AS x');
  const b = view('b', 'SELECT x FROM risk_bi.a');
  const f = sqlFunction('f', 'n integer', 'SELECT n + x FROM risk_bi.b');
  const c = view('c', 'SELECT risk_bi.f(1) AS y');
  const all = [a, b, c, f];

  const cases: [title: string, before: ViewFile[], now: ViewFile[], steps: string[]][] = [
    ['creates everything in an empty database', [], all, ['+a', '+b', '+f', '+c']],
    ['does nothing when nothing changed', all, all, []],
    ['does nothing for a comment', [a], [view('a', 'SELECT 1 AS x', 'Another why.')], []],
    [
      'replaces a view, and leaves the views that use it alone',
      all,
      [view('a', 'SELECT 1 AS x, 2 AS z'), b, c, f],
      ['+a'],
    ],
    [
      'replaces a function with the same arguments',
      all,
      [a, b, c, sqlFunction('f', 'n integer', 'SELECT n')],
      ['+f'],
    ],
    [
      'drops a function with other arguments, together with the views that use it',
      all,
      [a, b, c, sqlFunction('f', 'n integer, m integer DEFAULT 0', 'SELECT n')],
      ['-c', '-f', '+f', '+c'],
    ],
    ['drops a view without a file', all, [a, b, f], ['-c']],
    [
      'rebuilds a view on another source when its first source is dropped',
      all,
      [a, b, view('c', 'SELECT 2 AS y')],
      ['-c', '-f', '+c'],
    ],
    ['turns a view into a function', [a], [sqlFunction('a', '', 'SELECT 1')], ['-a', '+a']],
  ];
  for (const [title, before, now, expected] of cases)
    test(title, () => assert.deepEqual(steps(viewChanges(before, now)), expected));

  test('reads the previous state from the migrations alone', () => {
    const objects = fc.uniqueArray(
      fc.record({
        nth: fc.nat(5),
        version: fc.nat(2),
        isView: fc.boolean(),
        uses: fc.uniqueArray(fc.nat(5)),
      }),
      { selector: ({ nth }) => nth },
    );
    const state = objects.map((list) => {
      const there = new Set(list.map(({ nth }) => nth));
      return list.map(({ nth, version, isView, uses }) => {
        const from = uses.filter((used) => used < nth && there.has(used)).map((used) => `risk_bi.o${used}`);
        const query = `SELECT ${version} ${from.join(' ')}`;
        return isView ? view(`o${nth}`, query) : sqlFunction(`o${nth}`, `a${version} integer`, query);
      });
    });
    fc.assert(
      fc.property(fc.array(state, { maxLength: 5 }), (states) => {
        const migrations: string[] = [];
        for (const now of states) {
          const text = viewChanges(viewsAfter(migrations), now);
          if (text !== null) migrations.push(text);
          const sorted = (list: readonly ViewFile[]) =>
            list.map(({ text }) => text.trimEnd()).toSorted((one, other) => (one < other ? -1 : 1));
          assert.deepEqual(sorted(viewsAfter(migrations)), sorted(now));
          assert.equal(viewChanges(viewsAfter(migrations), now), null);
        }
      }),
    );
  });
});

describe('view migrations in a database', () => {
  const changed = files.map((file) => {
    if (file.name !== 'accounts') return file;
    return parseViewFile(
      'accounts',
      file.text.replace(' AS account_label', ' AS account_label,\n       1 AS one'),
    );
  });
  const gone = changed.filter(({ name }) => name !== 'dates');
  const other = gone.map((file) =>
    file.name === 'users_as_of'
      ? parseViewFile(
          file.name,
          file.text
            .replace('at timestamptz)', 'at timestamptz DEFAULT now())')
            .replace(/level_rank integer\)/, 'level_rank integer, one integer)')
            .replace(/^( +)s, t,\n(.+)$/m, '$1s, t,\n$2, 1'),
        )
      : file,
  );

  test('turn the released views into the present ones, and keep what others have built on them', async (t) => {
    const folder = await copyOfMigrations(t);
    await release(folder);
    const pool = await emptyDatabase(t);
    await migrate(pool, folder);
    await pool.query('create view public.theirs as select account_id, is_retired from risk_bi.accounts');
    const before = await readdir(folder);

    assert.match(writeViewMigration(folder, other), /^0003_views\.sql is new/);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => !before.includes(name)),
      ['0003_views.sql'],
    );
    assert.deepEqual(steps(await readFile(path.join(folder, '0003_views.sql'), 'utf8')), [
      '-users_as_of',
      '-dates',
      '+accounts',
      '+users_as_of',
    ]);
    assert.equal(planViewMigration(folder, other).do, 'nothing');
    const [third, fourth] = await Promise.all(
      ['0002', '0003'].map(async (nth) => {
        const text = await readFile(path.join(folder, 'meta', `${nth}_snapshot.json`), 'utf8');
        return JSON.parse(text) as { id: string; prevId: string; tables: unknown };
      }),
    );
    assert.equal(fourth?.prevId, third?.id);
    assert.deepEqual(fourth?.tables, third?.tables);

    const upgraded = await copyOf(t, folder);
    assert.deepEqual(await migrate(pool, upgraded), { applied: 1 });
    await pool.query('select is_retired from public.theirs');
    await pool.query("select one from risk_bi.users_as_of('acc')");
    assert.deepEqual(await wrong(t, other, upgraded), []);
  });

  test('are rewritten while the newest is unreleased, and removed with their last change', async (t) => {
    const folder = await copyOfMigrations(t);
    const [first, second] = [readMigrations(folder).length, await readFile(journal(folder), 'utf8')];
    assert.match(writeViewMigration(folder, other), /^0002_views\.sql is not released/);
    assert.equal(await readFile(journal(folder), 'utf8'), second);
    assert.deepEqual(await wrong(t, other, await copyOf(t, folder)), []);
    assert.match(writeViewMigration(folder, files), /^0002_views\.sql is not released/);

    await release(folder);
    writeViewMigration(folder, changed);
    assert.match(writeViewMigration(folder, other), /^0003_views\.sql is not released/);
    assert.match(writeViewMigration(folder, files), /^0003_views\.sql was not released.*deleted/);
    assert.equal(readMigrations(folder).length, first);
    assert.equal(await readFile(journal(folder), 'utf8'), second);
    assert.match(writeViewMigration(folder, files), /nothing to write/);
  });

  test('are checked: a view without a file, a file without a view, and any difference is found', async (t) => {
    const folder = await copyOfMigrations(t);
    const reworded = files.map((file) =>
      file.name === 'snapshots'
        ? parseViewFile(file.name, file.text.replace('The instant', 'An instant'))
        : file,
    );
    const found = async (list: ViewFile[]) =>
      (await wrong(t, list, await copyOf(t, folder))).map((line) => line.split(':')[0]);
    assert.deepEqual(await found(files), []);
    assert.deepEqual(await found(gone), ['risk_bi.accounts', 'risk_bi.dates']);
    assert.deepEqual(await found([...reworded, view('more', 'SELECT 1 AS one')]), [
      'risk_bi.more',
      'risk_bi.snapshots',
    ]);
  });

  test('are checked: tables that differ from the schema are found', async (t) => {
    const folder = await copyOfMigrations(t);
    const file = path.join(folder, '0002_views.sql');
    await writeFile(
      file,
      `${await readFile(file, 'utf8')}alter table risk.accounts add more text, alter label set not null;\n`,
    );
    assert.deepEqual(
      (await wrong(t, files, folder))
        .filter((line) => !line.startsWith('risk_bi'))
        .map((line) => line.split(':')[0]),
      ['risk.accounts.label', 'risk.accounts.more'],
    );
  });
});

test('a released migration that was changed, moved or lost is reported', () => {
  const migrations = readMigrations(migrationsFolder());
  const released = releaseAll(migrations);
  const [first, second] = released;
  assert.ok(first && second);
  const later = { file: '0003_later.sql', when: second.when + 10_000, sha256: 'abc' };
  assert.deepEqual(brokenReleases([], migrations), []);
  assert.deepEqual(brokenReleases(released, migrations), []);
  assert.deepEqual(brokenReleases(released, [...migrations, later]), []);
  const broken = (changed: typeof released) =>
    brokenReleases(released, changed).map((line) => line.split(':')[0]);
  assert.deepEqual(broken(released.with(1, { ...second, sha256: 'abc' })), [
    `migrations/${second.file} is released, but was changed`,
  ]);
  assert.deepEqual(broken(released.filter((entry) => entry !== first)).slice(0, 1), [
    `migrations/${first.file} is released, but missing`,
  ]);
  assert.deepEqual(broken(released.with(1, { ...second, when: 1 })), [
    `migrations/${second.file} is released, but its place or date in the journal was changed`,
  ]);
  assert.equal(broken([later, ...released]).length, 3);
});

const journal = (folder: string) => path.join(folder, 'meta', '_journal.json');

const copyOfMigrations = (t: TestContext) => copyOf(t, migrationsFolder());

/** The migrator reads a folder once, so a changed migration needs another folder. */
async function copyOf(t: TestContext, folder: string): Promise<string> {
  const copy = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-migrations-'));
  t.after(() => rm(copy, { recursive: true }));
  await cp(folder, copy, { recursive: true });
  return copy;
}

async function release(folder: string): Promise<void> {
  await writeFile(releasedFile(folder), JSON.stringify(releaseAll(readMigrations(folder))));
}

async function emptyDatabase(t: TestContext): Promise<Pool> {
  const { url, drop } = await createTestDatabase();
  const pool = testPool(url);
  t.after(async () => {
    await pool.end();
    await drop();
  });
  return pool;
}

async function wrong(t: TestContext, list: ViewFile[], folder: string): Promise<string[]> {
  const databases = { migrated: await emptyDatabase(t), fromFiles: await emptyDatabase(t) };
  return wrongInCatalogue(databases, list, schema, folder);
}
