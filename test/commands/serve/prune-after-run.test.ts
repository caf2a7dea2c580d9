// `sync` and `serve`, as people start them, delete old rows after their runs. test/upkeep proves which rows.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { writeBulkHistory } from '../../../bench/reporting/bulk-history.ts';
import { runCommand } from '../../support/run-command.ts';
import { HOURLY, newAccount, serveStage, type ServedStage } from '../../support/world/serve-stage.ts';

const HOUR = 3_600_000;
let stage: ServedStage;
before(async () => {
  stage = await serveStage();
});
after(() => stage.close());

/** Ten users who are gone, with activity of ten days. */
async function accountWithPast(): Promise<string> {
  const accountId = newAccount();
  const start = new Date(Date.now() - 240 * HOUR).toISOString();
  const history = { accountId, users: 10, snapshots: 239, start, actsPerUser: 30, seed: 1 };
  await writeBulkHistory(stage.db.pool, history);
  await stage.db.pool.query('drop table bulk_acts');
  return accountId;
}

/** Rows of activity that a later one superseded more than `hours` ago. */
async function superseded(accountId: string, hours: number): Promise<number> {
  const { rows } = await stage.db.pool.query<{ n: number }>(
    `select count(*)::integer as n from risk.user_activity a join risk.accounts using (account_key)
      where account_id = $1 and exists (select from risk.user_activity b where b.account_key = a.account_key
        and b.user_key = a.user_key and b.observed_at > a.observed_at and b.observed_at < now() - $2 * interval '1 hour')`,
    [accountId, hours],
  );
  return rows[0]!.n;
}

test('a sync deletes old rows, and a shorter retention takes effect with the next sync', async () => {
  const accountId = await accountWithPast();
  const sync = async (retention: string) => {
    const set = { RETENTION_ACTIVITY: retention, LOG_LEVEL: 'info' };
    const { code, stderr } = await runCommand(['sync'], stage.environment(accountId, set));
    assert.equal(code, 0, stderr);
    return stderr;
  };
  assert.ok((await superseded(accountId, 124)) > 0);
  assert.doesNotMatch(await sync(''), /old rows deleted/);
  assert.match(await sync('120h'), /old rows deleted/);
  assert.equal(await superseded(accountId, 124), 0);
  assert.ok((await superseded(accountId, 76)) > 0);
  assert.match(await sync('72h'), /old rows deleted/);
  assert.equal(await superseded(accountId, 76), 0);
  assert.doesNotMatch(await sync('72h'), /old rows deleted/);
});

test('serve deletes old rows after a run, and says how many', async () => {
  const accountId = await accountWithPast();
  const server = stage.serve(accountId, { RETENTION_ACTIVITY: '120h', SYNC_SCHEDULE: HOURLY });
  const line: Record<string, unknown> = await server.logged('old rows deleted');
  assert.ok(Number(line['rows']) > 0);
  assert.equal(await superseded(accountId, 124), 0);
  await stage.stop(server);
});
