// The file of CLOUDFLARE_ACCOUNT_ID_FILE: what counts as an id, and which line is wrong.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAccountFile, readAccountFile } from '../src/account-file.ts';
import { problems, read } from './support/read-settings.ts';

const idOf = (n: number) => n.toString(16).padStart(32, '0');

test('reads one id per line, with any line breaks, comments and blanks', () => {
  const text = `\ufeff# our accounts\r\n${idOf(1)}\r\n\r\n  ${idOf(2)}\t# head office\n#${idOf(3)}\r${idOf(4)}`;
  const bytes = new TextDecoder().decode(new TextEncoder().encode(text));
  assert.deepEqual(parseAccountFile(bytes), { ids: [idOf(1), idOf(2), idOf(4)], problems: [] });
});

test('names the line of every mistake, and the first ten of many', () => {
  const text = `${idOf(1)}\n${idOf(1)}, ${idOf(2)}\n*\n\n${idOf(1)} # again\na/b`;
  assert.deepEqual(parseAccountFile(text).problems, [
    'line 2 is not one account id',
    'line 3: * is for CLOUDFLARE_ACCOUNT_ID, a file lists ids',
    'line 5 repeats the id of line 1',
    'line 6 is not one account id',
  ]);
  const many = parseAccountFile('?\n'.repeat(4_000)).problems;
  assert.deepEqual([many.length, many.at(-1)], [11, '3990 more lines are wrong']);
  assert.deepEqual(parseAccountFile('# nobody\n').problems, ['holds no account id']);
});

test('reads any list back as it was written, between any comments and blank lines', () => {
  const line = fc.oneof(
    fc.constantFrom('', '  ', '# remark', '\t# *'),
    fc.nat(10_000).map((n) => idOf(n)),
  );
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom('\n', '\r\n'), (lines, end) => {
      const ids = lines.filter((text) => /^[0-9a-f]{32}$/.test(text));
      const { ids: found, problems: wrong } = parseAccountFile(lines.join(end));
      assert.deepEqual(found, [...new Set(ids)]);
      const repeated = ids.length - new Set(ids).size;
      assert.equal(wrong.length, ids.length === 0 ? 1 : Math.min(11, repeated));
    }),
  );
});

test('reads thousands of ids from a file, and reports every problem of the setting at once', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-accounts-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'accounts');
  const ids = Array.from({ length: 4_000 }, (_, n) => idOf(n));
  await writeFile(file, `${ids.join('\n')}\n`);
  const env = { CLOUDFLARE_ACCOUNT_ID_FILE: file };
  assert.deepEqual(read(env).cloudflare.accountIds, ids);
  assert.deepEqual(read(env).cloudflare.accountsFrom, { kind: 'file', path: file });

  assert.match(
    problems({ ...env, CLOUDFLARE_ACCOUNT_ID: '*' })[0] ?? '',
    /set both directly and as CLOUDFLARE_ACCOUNT_ID_FILE; keep one/,
  );
  await writeFile(file, `${idOf(1)}\n${idOf(2)},${idOf(3)}\n${idOf(1)}\n`);
  assert.deepEqual(problems(env), [
    'CLOUDFLARE_ACCOUNT_ID_FILE: line 2 is not one account id',
    'CLOUDFLARE_ACCOUNT_ID_FILE: line 3 repeats the id of line 1',
  ]);
  await writeFile(file, Buffer.from([0x61, 0xff]));
  assert.deepEqual(problems(env), ['CLOUDFLARE_ACCOUNT_ID_FILE: is not UTF-8 text']);
  await rm(file);
  assert.deepEqual(readAccountFile(file).problems, ['cannot be read (ENOENT)']);
});

test('a star alone means all accounts that the token sees', () => {
  const config = read({ CLOUDFLARE_ACCOUNT_ID: ' * ' });
  assert.deepEqual(config.cloudflare.accountsFrom, { kind: 'token' });
  assert.deepEqual(config.cloudflare.accountIds, []);
  assert.match(problems({ CLOUDFLARE_ACCOUNT_ID: `*,${idOf(1)}` })[0] ?? '', /give it alone/);
});

test('an id in capitals means the account with the same id in small letters, and other words stay unchanged', () => {
  const id = 'ab'.repeat(16);
  const capitals = id.toUpperCase();
  assert.deepEqual(parseAccountFile(`${capitals}\nAcme-EU\n`), { ids: [id, 'Acme-EU'], problems: [] });
  assert.deepEqual(parseAccountFile(`${id}\n${capitals}`).problems, ['line 2 repeats the id of line 1']);
  const { cloudflare } = read({ CLOUDFLARE_ACCOUNT_ID: `${capitals}, ${id}, Acme-EU, ${'A'.repeat(31)}` });
  assert.deepEqual(cloudflare.accountIds, [id, 'Acme-EU', 'A'.repeat(31)]);
});
