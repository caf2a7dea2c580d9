// The files in .github/ are only read on GitHub. Here they must be valid, and name things that exist.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

test('every YAML file of .github/ can be parsed', () => {
  const files = readdirSync(path.join(root, '.github'), { recursive: true, encoding: 'utf8' });
  const found = files.filter((file) => /\.ya?ml$/.test(file));
  assert.ok(found.length >= 5, found.join());
  for (const file of found) assert.ok(typeof parse(read(`.github/${file}`)) === 'object', file);
});

type Workflow = {
  jobs: {
    run: {
      strategy: { matrix: { include: { name: string; postgres?: number; timezone?: string }[] } };
      env: Record<string, string>;
      steps: { uses?: string; run?: string; with?: Record<string, unknown> }[];
    };
  };
};

test('CI calls only .ci/run, on every version of PostgreSQL and in another time zone', () => {
  const { jobs } = parse(read('.github/workflows/ci.yml')) as Workflow;
  assert.deepEqual(Object.keys(jobs), ['run']);
  const { strategy, env, steps } = jobs.run;
  assert.deepEqual(
    steps.flatMap(({ run = [] }) => run),
    ['.ci/run'],
  );
  for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /^actions\/[\w-]+@v\d+$/);
  const { include } = strategy.matrix;
  assert.deepEqual(
    include.flatMap(({ postgres = [] }) => postgres),
    [15, 16, 17, 18],
  );
  assert.equal(env['TEST_POSTGRES'], '${{ matrix.postgres }}');
  const zones = include.flatMap(({ timezone = [] }) => timezone);
  assert.equal(zones.length, 1);
  assert.notEqual(
    new Date(0).toLocaleString('en', { timeZone: zones[0] }),
    new Date(0).toLocaleString('en', { timeZone: 'UTC' }),
  );
});

test('CI starts from the oldest Node that CONTRIBUTING.md promises', () => {
  const { steps } = (parse(read('.github/workflows/ci.yml')) as Workflow).jobs.run;
  const [version] = steps.flatMap((step) => step.with?.['node-version'] ?? []);
  assert.ok(read('CONTRIBUTING.md').includes(`It works on Node ${String(version)} and newer`));
});

test('dependabot holds back only real dependencies, and puts everything else into one group', () => {
  type Update = {
    'package-ecosystem': string;
    ignore?: { 'dependency-name': string }[];
    groups: Record<string, { patterns: string[]; 'exclude-patterns'?: string[] }>;
  };
  const { updates } = parse(read('.github/dependabot.yml')) as { updates: Update[] };
  assert.deepEqual(updates.map((update) => update['package-ecosystem']).toSorted(), [
    'github-actions',
    'npm',
  ]);
  const npm = updates.find((update) => update['package-ecosystem'] === 'npm');
  const about = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
  const names = Object.keys({ ...about['devDependencies'], ...about['optionalDependencies'] });
  for (const { 'dependency-name': name } of npm?.ignore ?? []) assert.ok(names.includes(name), name);
  const { tools, bundled } = npm!.groups;
  assert.deepEqual(bundled?.['exclude-patterns'], tools?.patterns);
  for (const pattern of tools?.patterns ?? [])
    assert.ok(
      names.some((name) => path.matchesGlob(name, pattern)),
      pattern,
    );
});

test('each issue form has the parts that GitHub requires', () => {
  const folder = '.github/ISSUE_TEMPLATE';
  for (const file of readdirSync(path.join(root, folder)).filter((name) => name !== 'config.yml')) {
    const form = parse(read(`${folder}/${file}`)) as {
      name: string;
      description: string;
      body: {
        type: string;
        id?: string;
        attributes: { label?: string; value?: string; options?: string[] };
      }[];
    };
    assert.ok(form.name && form.description, file);
    const ids = form.body.flatMap(({ id = [] }) => id);
    assert.equal(new Set(ids).size, ids.length, file);
    for (const { type, id, attributes } of form.body) {
      assert.match(type, /^(?:markdown|textarea|input|dropdown|checkboxes)$/, file);
      assert.ok(type === 'markdown' ? attributes.value : id && attributes.label, `${file}: ${id}`);
      if (type === 'dropdown') assert.ok((attributes.options ?? []).length > 1, `${file}: ${id}`);
    }
  }
});
