// A history that was copied without the worker's own schema: its counters start over. Every writer refuses it, and the
// SQL of the runbook fixes it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { inTransaction, DEFAULT_LIMITS } from '../../../src/db/transaction.ts';
import { countersBehind } from '../../../src/db/feed-clock.ts';
import { checkHistory } from '../../../src/commands/doctor/history.ts';
import { addAccount } from '../../../src/sync/claim/account-row.ts';
import { labelAccount } from '../../../src/upkeep/accounts.ts';
import { servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { RISK_TABLES } from '../../support/database/risk-tables.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

const RUNBOOK = readFileSync(path.resolve(import.meta.dirname, '../../../docs/runbook.md'), 'utf8');
const [, MEND = ''] = /^## A history that was copied$.*?^```sql\n(.*?)^```$/ms.exec(RUNBOOK) ?? [];

describe('a history that was copied without its counters', () => {
  let source: MigratedDatabase;
  let target: MigratedDatabase;
  let original: ServedAccount;
  let copied: ServedAccount;
  before(async () => {
    source = await migratedDatabase();
    target = await migratedDatabase();
    original = servedAccount(source.pool, 30);
    await original.succeed();
    original.people.splice(20, 2);
    await original.succeed();
    // As logical replication does it: rows alone.
    for (const table of RISK_TABLES) {
      const rows = await source.rows<{ row: string }>(`select to_jsonb(t)::text as row from risk.${table} t`);
      await target.rows(
        `insert into risk.${table} overriding system value
         select r.* from unnest($1::text[]) one, jsonb_populate_record(null::risk.${table}, one::jsonb) r`,
        [rows.map(({ row }) => row)],
      );
    }
    copied = { ...servedAccount(target.pool, 0, original.id), people: original.people };
  });
  after(async () => {
    await source.close();
    await target.close();
  });

  const keyOf = async () =>
    (await target.rows<{ key: number }>('select account_key as key from risk.accounts limit 1'))[0]!.key;
  const behind = async (db: MigratedDatabase) =>
    inTransaction(db.pool, DEFAULT_LIMITS, async (tx) => [
      ...new Set([...(await countersBehind(tx, null)), ...(await countersBehind(tx, await keyOf()))]),
    ]);
  const epoch = async () =>
    (await target.rows<{ epoch: string }>('select epoch from risk_internal.feed_clock'))[0]?.epoch;

  test('is refused by every writer, reported by doctor, and fixed by the SQL of the runbook', async () => {
    assert.deepEqual(await behind(target), ['feed clock', 'account keys', 'run ids', 'user keys']);
    const refused = { code: 'HISTORY_COPIED', exit: 78 };
    const contents = () => target.rows('select * from risk.sync_runs, risk.accounts order by run_id');
    const rows = await contents();
    await assert.rejects(copied.sync(), refused);
    await assert.rejects(addAccount(target.pool, { accountId: 'f'.repeat(32) }), refused);
    await assert.rejects(labelAccount(target.pool, copied.id, 'Berlin'), refused);
    assert.deepEqual(await contents(), rows);
    const line = await checkHistory(target.pool, await keyOf());
    assert.deepEqual([line.status, line.exit], ['failed', 78]);
    assert.match(line.found, /feed clock, account keys, run ids, user keys/);

    const reader = createWatermarkReader(target.pool);
    await reader.poll();
    const old = await epoch();
    for (let time = 0; time < 2; time++) await target.rows(MEND);
    assert.notEqual(await epoch(), old);
    assert.deepEqual(await behind(target), []);
    assert.equal((await checkHistory(target.pool, await keyOf())).status, 'ok');
    await labelAccount(target.pool, copied.id, 'Berlin');
    await addAccount(target.pool, { accountId: 'f'.repeat(32) });
    const one = servedAccount(target.pool, 0, original.id);
    one.people.push(...original.people, {
      ...original.people[0]!,
      user_id: '00000000-0000-4000-8000-000000000001',
    });
    assert.equal((await one.succeed()).appeared, 1);
    await reader.verify();
  });

  for (const [counter, loses] of [
    ['feed clock', 'update risk_internal.feed_clock set last_snapshot_id = 1'],
    ['feed clock', 'delete from risk_internal.feed_clock'],
    ['account keys', 'alter sequence risk_internal.account_keys_account_key_seq restart'],
    ['account keys', 'delete from risk_internal.account_keys'],
    ['run ids', 'alter sequence risk_internal.run_ids restart'],
    ['user keys', 'update risk_internal.account_writers set last_user_key = 3'],
    ['user keys', 'delete from risk_internal.account_writers'],
  ] as const)
    test(`is noticed by one counter alone: ${loses}`, async () => {
      assert.deepEqual(await behind(source), []);
      await source.rows(loses);
      assert.deepEqual(await behind(source), [counter]);
      await source.rows(MEND);
      assert.deepEqual(await behind(source), []);
    });
});
