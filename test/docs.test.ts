// Documents that must not drift from the source.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Environment } from '../src/config.ts';
import { SABOTAGES } from './sabotage/sabotages.ts';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

test('.env.example names exactly the variables that are read', () => {
  const named = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z_]+)=/gm)].map((match) => match[1]);
  assert.deepEqual(named.toSorted(), Object.keys(Environment.shape).toSorted());
});

test('docs/runbook.md explains every error code of the source', () => {
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const codes = files.flatMap((file) =>
    [...read(path.join('src', file)).matchAll(/(?:\bcode: |\bproblem\(c, )'([A-Z][A-Z_]+)'/g)].map(
      (match) => match[1] ?? '',
    ),
  );
  const runbook = read('docs/runbook.md');
  const missing = [...new Set(codes)].filter((code) => !runbook.includes(`\`${code}\``));
  assert.ok(codes.length > 30);
  assert.deepEqual(missing, []);
});

test('docs/reliability.md lists every sabotage with its test, and no test that is not there', () => {
  const page = read('docs/reliability.md');
  for (const { name, breaks, promise, test: file } of SABOTAGES) {
    assert.ok(
      page.includes(`| \`${name}\` | ${breaks} | ${promise} | \`${file.replace('test/', '')}\` |`),
      name,
    );
  }
  for (const [, file] of page.matchAll(/`([a-z/-]+\.test\.ts)`/g))
    assert.ok(read(path.join('test', file ?? '')) !== '', file);
});

test('every sabotage still finds its place, exactly once', () => {
  for (const { name, file, find } of SABOTAGES) assert.equal(read(file).split(find).length, 2, name);
});

test('docs/reliability.md tells a test for every fault, and every title is one', () => {
  const rows = read('docs/reliability.md')
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line));
  const numbers = rows.map((line) => Number(/^\| (\d+)/.exec(line)?.[1]));
  for (let fault = 1; fault <= 23; fault++) assert.ok(numbers.includes(fault), `fault ${fault}`);
  let checked = 0;
  for (const row of rows) {
    for (const [, file = '', titles = ''] of row.matchAll(
      /`([a-z0-9/-]+\.test\.ts)` › ((?:"[^"]+"(?:, )?)+)/g,
    )) {
      const patterns = titlesIn(read(path.join('test', file)));
      for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) {
        assert.ok(
          patterns.some((pattern) => pattern.test(title)),
          `${file}: ${title}`,
        );
        checked++;
      }
    }
  }
  assert.ok(checked > 70, `${checked} titles`);
});

/** The titles of a test file: what a template string fills in may be anything. */
function titlesIn(source: string): RegExp[] {
  return [...source.matchAll(/\btest\(\s*(?:'((?:[^'\\]|\\.)*)'|"([^"]*)"|`([^`]*)`)/g)].map(
    ([, a, b, c]) => {
      const parts = (a ?? b ?? c ?? '').replaceAll("\\'", "'").split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/);
      return new RegExp(`^${parts.map((part) => part.replace(/[^\w\s]/g, '\\$&')).join('.+')}$`);
    },
  );
}
