// `doctor` of many accounts: a look at all of them at once, and an examination of those that need it most.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migratedDatabase } from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';
import { runCommand } from '../../support/run-command.ts';

const ids = Array.from({ length: 25 }, (_, n) => `a${String(n).padStart(31, '0')}`);

test('of more than 20 accounts, those with the most severe problems are examined, and all are counted', async () => {
  const db = await migratedDatabase();
  try {
    const history = sampleHistory(db.pool);
    // The last one was never synced, and the one before it fails.
    for (const id of ids.slice(0, 24)) {
      const key = await history.account(id);
      await history.snapshot(key, new Date().toISOString());
      const failure = { status: 'failed', error_code: 'NETWORK', error_message: 'x' } as const;
      if (id === ids[23])
        await history.run({ account_key: key, started_at: new Date().toISOString(), ...failure });
    }
    const env = {
      DATABASE_URL: db.url,
      CLOUDFLARE_ACCOUNT_ID: ids.join(','),
      CLOUDFLARE_API_TOKEN: 'unused',
    };
    const doctor = async (...args: string[]) => {
      const { stdout } = await runCommand(['doctor', '--offline', '--format', 'json', ...args], env);
      return JSON.parse(stdout) as { check: string; status: string; account_id?: string; found: string }[];
    };
    const lines = await doctor();
    const [line] = lines.filter(({ check }) => check === 'overall');
    assert.equal(line?.status, 'warning');
    assert.match(
      line?.found ?? '',
      /^25 accounts: 24 fresh, 0 stale, 1 never synced; 20 of them are examined/,
    );
    const examined = [...new Set(lines.flatMap(({ account_id }) => account_id ?? []))];
    assert.equal(examined.length, 20);
    assert.deepEqual(examined.slice(0, 2), [ids[23], ids[24]]);
    const one = await doctor('--account', ids[10]!);
    assert.deepEqual([...new Set(one.flatMap(({ account_id }) => account_id ?? []))], [ids[10]]);
    assert.ok(!one.some(({ check }) => check === 'overall'));
  } finally {
    await db.close();
  }
});

test('of more than 20 accounts, the first are examined when the database cannot say which need it most', async () => {
  const env = { CLOUDFLARE_ACCOUNT_ID: ids.join(','), CLOUDFLARE_API_TOKEN: 'unused' };
  const doctor = async (url: string) => {
    const { stdout } = await runCommand(['doctor', '--offline', '--format', 'json'], {
      ...env,
      DATABASE_URL: url,
    });
    const lines = JSON.parse(stdout) as {
      check: string;
      status: string;
      account_id?: string;
      found: string;
    }[];
    const examined = [...new Set(lines.flatMap(({ account_id }) => account_id ?? []))];
    assert.deepEqual(examined, ids.slice(0, 20));
    return lines.find(({ check }) => check === 'overall');
  };
  const away = await doctor('postgres://nobody@127.0.0.1:1/nowhere');
  assert.deepEqual(
    [away?.status, away?.found],
    ['ok', '25 accounts; 20 of them are examined here; --account examines others'],
  );
  const db = await migratedDatabase();
  try {
    const role = `many_${process.pid}`;
    await db.rows(`create role ${role} login password 'reader'`);
    try {
      const url = Object.assign(new URL(db.url), { username: role, password: 'reader' }).href;
      const denied = await doctor(url);
      assert.equal(denied?.status, 'failed');
      assert.match(denied.found, /^DATABASE_PERMISSION: /);
    } finally {
      await db.rows(`drop role ${role}`);
    }
    const history = sampleHistory(db.pool);
    for (const id of ids) await history.snapshot(await history.account(id), new Date().toISOString());
    const well = await doctor(db.url);
    assert.equal(well?.status, 'ok');
    assert.match(well.found, /^25 accounts: 25 fresh, 0 stale, 0 never synced/);
  } finally {
    await db.close();
  }
});
