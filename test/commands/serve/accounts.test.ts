// The accounts of `serve` and `sync` come from a file, or are all that the token sees, and the list changes.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { retireAccount } from '../../../src/upkeep/accounts.ts';
import { runCommand } from '../../support/run-command.ts';
import { newAccount, serveStage, until, type ServedStage } from '../../support/world/serve-stage.ts';

let stage: ServedStage;
let folder: string;
before(async () => {
  stage = await serveStage();
  folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-served-'));
});
after(async () => {
  await stage.close();
  await rm(folder, { recursive: true });
});

const EVERY_SECOND = { SYNC_SCHEDULE: '* * * * * *' };
const countOf = async (accountId: string) => (await stage.runsOf(accountId)).length;

test('serve syncs an account that is added to the file, and no longer one that is removed', async () => {
  const [kept, removed, added] = [newAccount(), newAccount(), newAccount()];
  const file = path.join(folder, 'accounts');
  await writeFile(file, `${kept}\n${removed}\n`);
  const from = { CLOUDFLARE_ACCOUNT_ID: '', CLOUDFLARE_ACCOUNT_ID_FILE: file };
  const server = stage.serve('', { ...from, ...EVERY_SECOND });
  await until(async () => (await countOf(removed)) > 0 && (await countOf(kept)) > 0);
  await writeFile(file, 'not an id\n');
  await server.logged('the list of accounts cannot be trusted, keeping the last good one');
  const before = await countOf(kept);
  await until(async () => (await countOf(kept)) > before);
  await writeFile(file, `${kept}\n${added}\n`);
  await server.logged('accounts were added, they are synced from now on');
  await server.logged('accounts were removed from the file, they are not synced and keep their history');
  await until(async () => (await countOf(added)) > 0);
  assert.match((await server.ask('/metrics')).text, /^zt_risk_sync_listed_accounts\{state="synced"\} 2$/m);
  const post = { method: 'POST', body: JSON.stringify({ account_id: removed }) };
  assert.deepEqual((await server.ask('/sync', post)).status, 400);
  assert.equal((await stage.stop(server)).code, 0);
  const [{ isRetired } = { isRetired: true }] = await stage.db.rows<{ isRetired: boolean }>(
    `select retired_at is not null as "isRetired" from risk.accounts where account_id = $1`,
    [removed],
  );
  assert.equal(isRetired, false);
});

test('serve syncs all accounts that the token sees, except retired ones', async () => {
  const [one, other, retired] = [newAccount(), newAccount(), newAccount()];
  stage.simulator.setAccounts([one, other, retired]);
  await runCommand(['sync'], stage.environment(retired));
  await retireAccount(stage.db.pool, retired);
  const server = stage.serve('*', EVERY_SECOND);
  await until(async () => (await countOf(one)) > 0 && (await countOf(other)) > 0);
  await server.logged('account is retired, leaving it out');
  assert.deepEqual(
    server.lines().filter(({ error_code: code }) => code !== undefined),
    [],
  );
  assert.equal(await countOf(retired), 1);
  assert.equal((await stage.stop(server)).code, 0);
});

test('sync and doctor use the list of the token, and --account must be in it', async () => {
  const [one, other, gone] = [newAccount(), newAccount(), newAccount()];
  await runCommand(['sync'], stage.environment(gone));
  stage.simulator.setAccounts([one, other]);
  const synced = await runCommand(['sync', '--json'], stage.environment('*'));
  assert.deepEqual(
    [
      synced.code,
      synced.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).account_id)
        .toSorted(),
    ],
    [0, [one, other].toSorted()],
  );
  const narrowed = await runCommand(['sync', '--json', '--account', one], stage.environment('*'));
  assert.deepEqual([narrowed.code, JSON.parse(narrowed.stdout).account_id], [0, one]);
  const refused = await runCommand(['sync', '--account', gone], stage.environment('*'));
  assert.equal(refused.code, 64);
  assert.match(refused.stderr, /is not in the list of accounts that the token sees/);

  const doctor = await runCommand(['doctor', '--json'], stage.environment('*'));
  const lines = JSON.parse(doctor.stdout) as { check: string; status: string; found: string }[];
  const line = lines.find(({ check }) => check === 'accounts');
  assert.equal(line?.status, 'warning');
  assert.match(line?.found ?? '', /^the token sees 2 accounts; .* not in the list of the token: /);
  assert.ok(line?.found.includes(gone) || /and \d+ more$/.test(line?.found ?? ''));

  stage.simulator.setFaults(['no-list']);
  const none = await runCommand(['sync'], stage.environment('*'));
  stage.simulator.setFaults([]);
  assert.equal(none.code, 77);
  assert.match(none.stderr, /PERMISSION_DENIED.*list accounts/);
});
