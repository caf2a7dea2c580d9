// Documents must agree with the source.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Environment } from '../src/settings/environment.ts';
import { ERRORS, EXIT, type ErrorCode } from '../src/errors.ts';
import { PROBLEMS } from '../src/http/problem.ts';
import { SABOTAGES } from './sabotage/sabotages.ts';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

test('.env.example names exactly the variables that are read', () => {
  const named = [...read('.env.example').matchAll(/^#?\s?([A-Z][A-Z_]+)=/gm)].map((match) => match[1]);
  assert.deepEqual(named.toSorted(), Object.keys(Environment.shape).toSorted());
});

test('docs/runbook.md explains every error code, under its exit code', () => {
  const sections = read('docs/runbook.md').split(/^## /m);
  for (const exit of [EXIT.failed, EXIT.usage, EXIT.tryLater, EXIT.permission, EXIT.configuration]) {
    const section = sections.find((text) => text.startsWith(`Exit ${exit}:`)) ?? '';
    const explained = [...section.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);
    const thrown = Object.entries(ERRORS).filter(([code, of]) => of === exit && code !== NEVER_SEEN);
    // One code may have two causes, with a row for each.
    assert.deepEqual(
      [...new Set(explained)].toSorted(),
      thrown.map(([code]) => code).toSorted(),
      `exit ${exit}`,
    );
  }
});

/** This code never leaves the client: "no such user" is an answer. */
const NEVER_SEEN: ErrorCode = 'USER_UNKNOWN';

test('docs/runbook.md explains every code of the HTTP server', () => {
  const section = read('docs/runbook.md')
    .split(/^## /m)
    .find((text) => text.startsWith('Answers of the HTTP'));
  for (const code of Object.keys(PROBLEMS)) {
    if (!(code in ERRORS)) assert.ok(section?.includes(`\`${code}\``), code);
  }
});

test('every error code is thrown somewhere, and SQL compares with no other code', () => {
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.ts') && file !== 'errors.ts',
  );
  const source = files.map((file) => read(path.join('src', file))).join('\n');
  for (const code of Object.keys(ERRORS)) assert.match(source, new RegExp(`'${code}'`));
  const compared = [...source.matchAll(/error_code\b\}? *(?:=|<>) *'([A-Z_]+)'/g)].map(
    ([, code = '']) => code,
  );
  assert.ok(compared.length > 0);
  assert.deepEqual(
    compared.filter((code) => !(code in ERRORS)),
    [],
  );
});

test('docs/changing.md names files and folders that exist, and scripts of package.json', () => {
  const named = [...read('docs/changing.md').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
  const scripts = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;
  for (const name of named) {
    const script = /^npm (?:run )?(\S+)$/.exec(name)?.[1];
    assert.ok(script === undefined ? existsSync(path.join(root, name)) : script in scripts, name);
  }
  assert.ok(named.length > 60);
});

test('links between the pages lead to existing files and headings', () => {
  const docs = readdirSync(path.join(root, 'docs')).flatMap((file) =>
    file.endsWith('.md') ? [`docs/${file}`] : [],
  );
  for (const page of [...docs, 'README.md', 'CONTRIBUTING.md', 'integrations/README.md']) {
    for (const [, target = '', heading] of read(page).matchAll(/\]\(([^)#:\s]*)(?:#([^)\s]+))?\)/g)) {
      const file = target === '' ? page : path.join(path.dirname(page), target);
      assert.ok(existsSync(path.join(root, file)), `${page}: ${target}`);
      if (heading !== undefined) assert.ok(anchorsOf(read(file)).includes(heading), `${page}: #${heading}`);
    }
  }
});

/** Makes anchors of headings as GitHub does. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('docs/reliability.md lists every sabotage with its test, and only tests that exist', () => {
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

test('every sabotage finds its place in the source exactly once', () => {
  for (const { name, file, find } of SABOTAGES) assert.equal(read(file).split(find).length, 2, name);
});

test('docs/reliability.md names a test for every fault, and only titles that exist', () => {
  const rows = read('docs/reliability.md')
    .split('\n')
    .filter((line) => /^\| \d+[a-z]? \|/.test(line));
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

/** The titles of a test file, and of its groups. A placeholder of a template string may stand for any text. */
function titlesIn(source: string): RegExp[] {
  return [...source.matchAll(/\b(?:test|describe)\(\s*(?:'((?:[^'\\]|\\.)*)'|"([^"]*)"|`([^`]*)`)/g)].map(
    ([, a, b, c]) => {
      const parts = (a ?? b ?? c ?? '').replaceAll("\\'", "'").split(/\$\{(?:[^{}]|\{[^{}]*\})*\}/);
      return new RegExp(`^${parts.map((part) => part.replace(/[^\w\s]/g, '\\$&')).join('.+')}$`);
    },
  );
}
