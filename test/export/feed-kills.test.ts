// `export --state` is killed at any instant. The next call repairs the files, and the feed equals a whole export.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { childScript, type ChildScript } from '../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { claimAccount } from '../support/database/claimed-leases.ts';
import { seedAccount } from '../support/database/seeded-account.ts';
import { FEED_DATASETS, loadFeed, type StateFile, loadWhole } from '../support/oracle/feed-reader.ts';
import { runCommand } from '../support/run-command.ts';

/** For each form. 200 in `npm run test:long`. */
const KILLS = Number(process.env['TEST_KILLS'] ?? 2);
const DAYS = 8;

let db: MigratedDatabase;
let script: ChildScript;
let folder: string;

before(async () => {
  [db, script] = await Promise.all([migratedDatabase(), childScript('children/feed-child.ts')]);
  folder = await mkdtemp(path.join(tmpdir(), 'feed-kills-'));
  await addAccount();
});
after(async () => {
  await script.close();
  await db.close();
  await rm(folder, { recursive: true });
});

/** Users with a change on each of some days, so that there are many partitions. */
async function addAccount(): Promise<void> {
  const lease = await claimAccount(db.pool);
  await seedAccount(db.pool, lease, { keys: 50 });
  await db.pool.query(
    `insert into risk.user_activity (account_key, user_key, observed_at, event_count, last_event, snapshot_id)
     select account_key, user_key, '2026-01-01Z'::timestamptz + n * interval '1 day', n, '2026-01-01Z', snapshot_id
       from risk.users, generate_series(1, ${DAYS}) n where account_key = ${lease.accountKey}`,
  );
}

type Form = 'csv' | 'partitions';

/** Returns how long the process lived after `word`, if it was not killed before its end. */
async function killed(
  form: Form,
  out: string,
  word: 'began' | 'named',
  afterMs: number,
): Promise<number | null> {
  const child = script.start({
    databaseUrl: db.url,
    stateFile: `${out}.json`,
    folder: out,
    datasets: FEED_DATASETS,
    format: form === 'csv' ? 'csv' : 'parquet',
    partition: form === 'partitions',
    waits: false,
  });
  await child.line(word);
  const began = performance.now();
  await Promise.race([sleep(afterMs), child.ended]);
  const lived = performance.now() - began;
  child.kill('SIGKILL');
  return (await child.ended).signal === null ? lived : null;
}

async function exported(...args: string[]): Promise<void> {
  const { code, stderr } = await runCommand(['export', ...FEED_DATASETS, '--identities', ...args], {
    DATABASE_URL: db.url,
  });
  assert.equal(code, 0, stderr);
}

/** Without datapackage.json, which no state lists. */
async function filesIn(out: string): Promise<string[]> {
  const entries = await readdir(out, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && entry.name !== 'datapackage.json')
    .map((entry) => path.relative(out, path.join(entry.parentPath, entry.name)));
}

const listed = async (out: string) =>
  existsSync(`${out}.json`)
    ? (JSON.parse(await readFile(`${out}.json`, 'utf8')) as StateFile).files.map(({ name }) => name)
    : [];

/** What the killed process left. */
async function instantOf(out: string, before: readonly string[]): Promise<string> {
  const [files, names] = [await filesIn(out), await listed(out)];
  if (names.length > before.length) return 'ended';
  if (files.some((name) => !name.endsWith('.part') && !names.includes(name))) return 'some have names';
  return files.length > names.length ? 'half written' : 'nothing yet';
}

for (const form of ['csv', 'partitions'] as const) {
  test(`a feed as ${form} that is killed at any instant is whole after the next call`, async (t) => {
    const out = path.join(folder, form);
    const options = form === 'csv' ? ['--format', 'csv'] : ['--partition'];
    let span = (await killed(form, path.join(folder, `${form}-measured`), 'began', 60_000)) ?? 60_000;
    const tally: Record<string, number> = {};
    for (let kill = 0; kill < KILLS; kill++) {
      const before = await listed(out);
      await addAccount();
      // Half of the kills hit the short time in which the files have names and the state does not list them yet.
      const lived =
        kill % 2 === 0
          ? await killed(form, out, 'began', Math.random() * span)
          : await killed(form, out, 'named', Math.random() * 5);
      if (kill % 2 === 0) span = lived ?? span;
      const instant = await instantOf(out, before);
      tally[instant] = (tally[instant] ?? 0) + 1;
      await addAccount();
      await exported('--out', out, '--state', `${out}.json`, ...options);
      assert.deepEqual((await filesIn(out)).toSorted(), (await listed(out)).toSorted(), instant);
    }
    const format = form === 'csv' ? 'csv' : 'parquet';
    await exported('--out', `${out}-whole/`, '--format', format);
    // Reading checks that no version of a row appears twice.
    assert.deepEqual(await loadFeed(`${out}.json`, out), await loadWhole(`${out}-whole`, format));
    t.diagnostic(JSON.stringify(tally));
  });
}
