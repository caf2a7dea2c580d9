// The warning of `status` about an embedded history that exists only once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Pool } from '../../../src/db/pool.ts';
import { noteCopied } from '../../../src/move/note-copied.ts';
import { lastCopy } from '../../../src/queries/health/last-copy.ts';
import {
  accountCells,
  ACCOUNT_COLUMNS,
  copyWarning,
} from '../../../src/terminal/print/status/print-status.ts';
import {
  migratedDatabase,
  testPool,
  type MigratedDatabase,
} from '../../support/database/migrated-database.ts';
import { sampleHistory } from '../../support/database/sample-history.ts';

const DAY = 86_400_000;
const ago = (days: number) => new Date(Date.now() - days * DAY).toISOString();
let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const VIEW = { textWidth: 80 } as Parameters<typeof copyWarning>[1];
const warning = async (pool: Pool) => copyWarning(await lastCopy(pool), VIEW);
const cells = async (isEmbedded: boolean) => {
  const state = { retired_at: null, observed_at: null, complete_at: null } as Parameters<
    typeof accountCells
  >[0];
  const schedule = { runs: new Map() } as unknown as Parameters<typeof accountCells>[1];
  const row = accountCells(state, schedule, isEmbedded ? await lastCopy(db.pool) : null);
  return Object.fromEntries(ACCOUNT_COLUMNS.map((name, n) => [name, row[n]]));
};

test('appears when the first snapshot is older than seven days, and disappears with the first copy', async () => {
  assert.equal(await warning(db.pool), null, 'no account');
  const sample = sampleHistory(db.pool);
  const account = await sample.account('1'.repeat(32));
  assert.equal(await warning(db.pool), null, 'no snapshot');
  await sample.snapshot(account, ago(6.9));
  await sample.snapshot(account, ago(1));
  assert.equal(await warning(db.pool), null, 'a young history');
  await sample.snapshot(await sample.account('2'.repeat(32)), ago(40));
  assert.match(
    (await warning(db.pool)) ?? '',
    /^NEVER COPIED: this history is 40 days old .*\n.*database backup/,
  );
  assert.equal((await cells(true))['is_copy_due'], true);
  assert.equal((await cells(false))['is_copy_due'], null, 'somebody else takes care of a server');
  assert.equal(await noteCopied(db.pool), true);
  assert.equal(await warning(db.pool), null);
  assert.equal((await cells(true))['is_copy_due'], false);
  assert.match(String((await cells(true))['copied_at']), /^20\d\d-/);
});

test('a source that cannot be written is copied without a note', async () => {
  await db.rows(`alter database ${new URL(db.url).pathname.slice(1)} set default_transaction_read_only = on`);
  const readOnly = testPool(db.url, 1);
  assert.equal(await noteCopied(readOnly), false);
  await readOnly.end();
});
