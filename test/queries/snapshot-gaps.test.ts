// When a snapshot counts as missing: only where the distances before it make one usual.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { drizzle } from 'drizzle-orm/node-postgres';
import { answerTo } from '../../src/queries/question.ts';
import { snapshotGaps } from '../../src/queries/snapshots/snapshot-gaps.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const MINUTE = 60_000;
const TO = new Date('2026-03-01T12:00:00Z');
const FROM = new Date('2026-02-28T12:00:00Z');

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

/** The minutes before the end at which a snapshot was due and none was published. */
async function gapsAfter(name: string, minutesBefore: readonly number[]): Promise<number[]> {
  const history = sampleHistory(db.pool);
  const account = await history.account(name);
  for (const minutes of minutesBefore)
    await history.snapshot(account, new Date(TO.getTime() - minutes * MINUTE).toISOString());
  const rows = await answerTo(drizzle(db.pool), snapshotGaps([name], { from: FROM, to: TO }));
  return rows.map(({ due_at }) => (TO.getTime() - Date.parse(due_at)) / MINUTE);
}

test('a snapshot is due once three distances were alike', async () => {
  assert.deepEqual(await gapsAfter('hourly', [360, 300, 240, 180]), [120]);
});

test('two runs by hand make nothing due', async () => {
  assert.deepEqual(await gapsAfter('by-hand', [90, 89]), []);
  assert.deepEqual(await gapsAfter('by-hand-again', [92, 91, 90]), []);
});

test('no snapshot is due within a minute', async () => {
  assert.deepEqual(await gapsAfter('in-a-row', [30.4, 30.3, 30.2, 30.1]), [29.1]);
});
