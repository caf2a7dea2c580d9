// Commands with a terminal as standard output: what they write there, and what they do not.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';
import { runCommand } from '../support/run-command.ts';

const [ONE, TWO] = ['1'.repeat(32), '2'.repeat(32)];
let db: MigratedDatabase;
let folder: string;
before(async () => {
  db = await migratedDatabase();
  folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-terminal-'));
  const history = sampleHistory(db.pool);
  for (const [id, label] of [
    [ONE, 'Zürich – Head office! '],
    [TWO, '総務部'],
  ] as const)
    await history.snapshot(await history.account(id, label), new Date(Date.now() - 3_600_000).toISOString(), {
      counts: [3, 2, 1],
    });
});
after(async () => {
  await db.close();
  await rm(folder, { recursive: true, force: true });
});
const onTerminal = (args: string[]) =>
  runCommand(args, { DATABASE_URL: db.url, SYNC_TIMEZONE: 'UTC' }, folder, undefined, true, {
    showsOutput: true,
  });

test('a backup is not written to a terminal', async () => {
  const { code, stdout, stderr } = await onTerminal(['database', 'backup', '-']);
  assert.deepEqual([code, stdout], [64, '']);
  assert.match(stderr, /error COPY_TARGET: Standard output is a terminal[^]*name of a file/);
  const piped = await runCommand(['database', 'backup', '-'], { DATABASE_URL: db.url }, folder);
  assert.equal(piped.code, 0, piped.stderr);
  assert.ok(piped.stdout.length > 100);
  assert.match(piped.stderr, /\d+ rows in \d+ tables/, 'what was saved is not said among the bytes');
});

test('a report in HTML goes into a file that is named after account and period, other forms to the terminal', async () => {
  const here = process.cwd();
  process.chdir(folder);
  try {
    for (const [account, name] of [
      [ONE, 'z-rich-head-office'],
      [TWO, 'account'],
    ] as const) {
      const file = `report-${name}-2026-01-02-2026-02-03.html`;
      const span = ['--from', '2026-01-02', '--to', '2026-02-03T00:00Z'];
      const { code, stdout, stderr } = await onTerminal(['report', '--account', account, ...span]);
      assert.equal(code, 0, stderr);
      assert.equal(stdout, `Report of one account written to ${file}\n`);
      assert.match(await readFile(path.join(folder, file), 'utf8'), /^<!doctype html>/i);
    }
    const count = (await readdir(folder)).length;
    assert.match((await onTerminal(['report', '--format', 'md'])).stdout, /^# Zero Trust user risk/);
    assert.match(
      (await onTerminal(['report', '--format', 'html', '--out', '-'])).stdout,
      /^<!doctype html>/i,
    );
    assert.equal((await readdir(folder)).length, count);
  } finally {
    process.chdir(here);
  }
});

test('a report that cannot be written leaves no file, and names the obstacle', async () => {
  const name = `${'x'.repeat(300)}.html`;
  const { code, stdout, stderr } = await onTerminal(['report', '--out', path.join(folder, name)]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /error OUTPUT_FAILED[^]*ENAMETOOLONG/);
  assert.ok(!existsSync(path.join(folder, name)));
});

test('an export to a terminal prints the rows alone, and then the watermark', async () => {
  const { code, stdout, stderr } = await onTerminal(['export', 'runs']);
  assert.equal(code, 0, stderr);
  assert.equal(stdout.trimEnd().split('\n').length, 3);
  assert.doesNotMatch(stderr, /\r|\u001b/, 'no progress among the rows');
  assert.match(stderr, /^Watermark \d+/m);
});
