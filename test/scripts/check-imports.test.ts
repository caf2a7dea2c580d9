// The import check on small trees: what it must report, and what it must accept.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';

const SCRIPT = path.resolve(import.meta.dirname, '../../scripts/check-imports.ts');

const PAGE = `# Architecture

| room | what it is for | may import |
|---|---|---|
| \`*.ts\` | leaves | \`*.ts\` |
| \`db/\` | database | \`*.ts\` |
| \`sync/\` | writes | \`*.ts\` \`db/\` \`queries/counts.ts\` (types) |
| \`queries/\` | reads | \`*.ts\` \`db/\` |
| \`commands/*.ts\` | commands | \`*.ts\` \`sync/\` \`queries/\` |

| package | for | why |
|---|---|---|
| \`pg\` | \`db/\` | PostgreSQL |
| \`new Pool\` | \`db/pool.ts\` | pools |
`;

/** A tree that obeys the rules. Tests add files that break them. */
const OBEYS = {
  'errors.ts': 'export class Failed extends Error {}\n',
  'db/pool.ts':
    "import { Pool } from 'pg';\nimport { Failed } from '../errors.ts';\nexport const pool = () => new Pool();\n",
  'db/rows.ts': "import type { Pool } from './pool.ts';\n",
  'queries/counts.ts': "import { pool } from '../db/pool.ts';\nexport type Counts = number;\n",
  'sync/run.ts':
    "import { pool } from '../db/pool.ts';\nimport type { Counts } from '../queries/counts.ts';\n",
  'commands/sync.ts': "import { run } from '../sync/run.ts';\n",
};

function check(t: TestContext, sources: Record<string, string>, page = PAGE): string {
  const root = mkdtempSync(path.join(tmpdir(), 'imports-'));
  t.after(() => rmSync(root, { recursive: true }));
  const files = Object.entries({ ...OBEYS, ...sources }).map(
    ([file, text]) => [file.startsWith('test/') ? file : `src/${file}`, text] as const,
  );
  for (const [file, text] of [...files, ['docs/architecture.md', page] as const]) {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  }
  const { stderr, status } = spawnSync(process.execPath, [SCRIPT, root], { encoding: 'utf8' });
  assert.equal(status, stderr === '' ? 0 : 1);
  return stderr;
}

test('accepts a tree that keeps to the table', (t) => {
  assert.equal(check(t, {}), '');
});

test('reports a forbidden import with its file, its line and its rule', (t) => {
  const said = check(t, { 'db/load.ts': "// Rows.\nimport { run } from '../sync/run.ts';\n" });
  assert.equal(said, 'src/db/load.ts:2: db/ may not import sync/run.ts (docs/architecture.md:6)\n');
});

for (const [form, source] of [
  ['a type', "import type { Run } from '../sync/run.ts';\n"],
  ['a type in a list of names', "import { type Run } from '../sync/run.ts';\n"],
  ['a re-export', "export * from '../sync/run.ts';\n"],
  ['a re-exported type', "export type { Run } from '../sync/run.ts';\n"],
  ['an import for its effect', "import '../sync/run.ts';\n"],
  ['a dynamic import', "export const load = async () => await import('../sync/run.ts');\n"],
  ['a type that is imported in place', "export type Run = import('../sync/run.ts').Run;\n"],
  ['a list over several lines', "import {\n  run,\n  stop, // both\n} from '../sync/run.ts';\n"],
] as const) {
  test(`reports a forbidden import written as ${form}`, (t) => {
    assert.match(
      check(t, { 'db/load.ts': source }),
      /^src\/db\/load\.ts:1: db\/ may not import sync\/run\.ts/,
    );
  });
}

test('refuses a dynamic import of a computed name', (t) => {
  const source = 'export const load = async (name: string) => await import(`../sync/${name}.ts`);\n';
  assert.match(check(t, { 'db/load.ts': source }), /^src\/db\/load\.ts:1: a computed name cannot be checked/);
});

test('ignores imports in comments and strings', (t) => {
  const source = `/* import('../sync/run.ts') */\n// import { run } from '../sync/run.ts';\nexport const at = 'https://a.example';\n`;
  assert.equal(check(t, { 'db/load.ts': source }), '');
});

test('refuses a value where only types are allowed', (t) => {
  const said = check(t, { 'sync/count.ts': "import { count } from '../queries/counts.ts';\n" });
  assert.match(said, /sync\/ may not import queries\/counts\.ts except its types/);
});

test('refuses imports between files of a row written x/*.ts', (t) => {
  const said = check(t, { 'commands/serve.ts': "import { sync } from './sync.ts';\n" });
  assert.match(said, /^src\/commands\/serve\.ts:1: commands\/\*\.ts may not import commands\/sync\.ts/);
});

test('reports a file outside all rooms', (t) => {
  const said = check(t, { 'lib/helpers.ts': "import { Failed } from '../errors.ts';\n" });
  assert.match(said, /^src\/lib\/helpers\.ts:1: the file is in no room/);
});

test('allows a package only in its places, and no package without a row', (t) => {
  assert.match(check(t, { 'sync/x.ts': "import pg from 'pg';\n" }), /the package pg is for db\/ alone/);
  assert.match(check(t, { 'sync/x.ts': "import z from '@a/z/core';\n" }), /the package @a\/z has no row/);
  const pool = "import pg from 'pg';\nexport const mine = new pg.Pool();\n";
  assert.match(check(t, { 'db/x.ts': pool }), /^src\/db\/x\.ts:2: new Pool is for db\/pool\.ts alone/);
});

test('reports a row that nothing needs any more', (t) => {
  const said = check(t, { 'sync/run.ts': '' }, PAGE.replace('| `queries/` |', '| `exports/` |'));
  assert.match(said, /docs\/architecture\.md:7: sync\/ no longer imports queries\/counts\.ts/);
  assert.match(said, /docs\/architecture\.md:8: there is no exports\/ in src\//);
});

test('reports a folder with more than 20 files, in src and in test', (t) => {
  const files = (folder: string, count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, nth) => [`${folder}/file-${nth}.ts`, '']));
  assert.match(check(t, files('db', 20)), /^src\/db: 22 files, but at most 20 are allowed/);
  assert.match(check(t, files('test/db', 21)), /^test\/db: 21 files, but at most 20 are allowed/);
  assert.equal(check(t, files('test/db', 20)), '');
});

test('reports a name that two files export, or that names a type of its own elsewhere', (t) => {
  const exported = { 'db/a.ts': 'export type Run = 1;\nexport const start = 1;\n' };
  const said = check(t, {
    ...exported,
    'sync/b.ts': '\nexport async function start() {}\n',
    'sync/c.ts': 'interface Run {}\n',
  });
  assert.equal(
    said,
    'src/sync/c.ts:1: Run has another meaning in src/db/a.ts:1\nsrc/sync/b.ts:2: start has another meaning in src/db/a.ts:2\n',
  );
  const zod = 'export const Span = 1;\nexport type Span = 1;\nfunction f(a: 1): 1;\nfunction f(a: 2): 2;\n';
  const own = 'type Options = 1;\nconst start = 2;\nfunction inner() {\n  type Run = 1;\n}\n';
  assert.equal(check(t, { ...exported, 'sync/zod.ts': zod, 'sync/own.ts': own, 'db/own.ts': own }), '');
});
