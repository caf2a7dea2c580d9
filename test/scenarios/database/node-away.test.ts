// A node of Citus dies in the middle of a slot and comes back some slots later. Accounts on the other nodes miss nothing;
// its own accounts go on when it is back. TEST_CITUS_NODE_COMMAND is run with `kill N` and `start N`, N counted from 0,
// the coordinator. No other test may use the cluster meanwhile.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { isOperatorError } from '../../../src/errors.ts';
import { slotFacts } from '../../../src/sync/claim/slot-facts.ts';
import { personOf, servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { CITUS_URL, nodeUrls } from '../../support/database/distributed-database.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

const COMMAND = process.env['TEST_CITUS_NODE_COMMAND'] ?? '';
const SLOTS = 20;
const [DIES_IN, BACK_BEFORE] = [7, 12];
const EACH = 3;
/** An account that was never synced. */
const NOBODY = 'nobody';
const TIMING = { heartbeatMs: 100, leaseMs: 1_500, pollMs: 50, graceMs: 1_000 };

test(
  'accounts on healthy nodes miss no slot while a node is unreachable, and the accounts of that node catch up',
  { skip: (CITUS_URL === '' || COMMAND === '') && 'it needs TEST_CITUS_URL and TEST_CITUS_NODE_COMMAND' },
  async (t) => {
    const db = await migratedDatabase();
    const last = (await nodeUrls(db.url)).length - 1;
    const node = (verb: 'kill' | 'start') =>
      execFileSync('/bin/sh', ['-c', `${COMMAND} ${verb} ${last}`], { stdio: 'ignore' });
    t.after(() => db.close());
    const { sick, healthy } = await accountsOf(db, (await nodeUrls(db.url)).at(-1)!.port);
    const reader = createWatermarkReader(db.pool);
    let isAway = false;
    t.after(() => {
      if (isAway) node('start');
    });
    const missed = new Map<ServedAccount, number[]>();
    for (let slot = 0; slot < SLOTS; slot++) {
      if (isAway) await assertAway(db, sick, healthy);
      if (slot === BACK_BEFORE) {
        node('start');
        isAway = false;
        await untilAnswers(db);
      }
      const kill = async () => {
        if (slot !== DIES_IN || isAway) return;
        isAway = true;
        node('kill');
      };
      await Promise.all(
        [...sick, ...healthy].map(async (account) => {
          live(account, slot);
          if (await misses(account, kill)) missed.set(account, [...(missed.get(account) ?? []), slot]);
        }),
      );
    }
    for (const account of healthy) assert.equal(missed.get(account), undefined);
    const away = Array.from({ length: BACK_BEFORE - DIES_IN }, (_, n) => DIES_IN + n);
    for (const account of sick) {
      // A publish that had begun may have ended in time.
      assert.deepEqual(
        (missed.get(account) ?? []).filter((slot) => slot !== DIES_IN),
        away.slice(1),
      );
    }
    for (const account of [...sick, ...healthy]) await account.succeed({ timing: TIMING });
    await reader.verify();
  },
);

/** What the scheduler learns about the accounts: only those of the lost node have no answer. */
async function assertAway(
  { pool }: MigratedDatabase,
  sick: readonly ServedAccount[],
  healthy: readonly ServedAccount[],
): Promise<void> {
  const ids = (of: readonly ServedAccount[]) => of.map(({ id }) => id);
  const { known, away } = await slotFacts(pool, [...ids(sick), ...ids(healthy), NOBODY], new Date());
  assert.deepEqual([...known.keys()].toSorted(), [...ids(healthy), NOBODY].toSorted());
  assert.deepEqual([...away.keys()].toSorted(), ids(sick).toSorted());
  for (const id of ids(healthy)) assert.ok(known.get(id)!.sinceSuccessMs !== null);
  for (const { code, exit } of away.values()) assert.deepEqual([code, exit], ['DATABASE_NODE_AWAY', 75]);
}

/** As many accounts on the node with this port as beside it. */
async function accountsOf(db: MigratedDatabase, port: string) {
  const [sick, healthy]: ServedAccount[][] = [[], []];
  while (sick!.length < EACH || healthy!.length < EACH) {
    const account = servedAccount(db.pool, 40);
    await account.succeed({ timing: TIMING });
    const [place] = await db.rows<{ port: number }>(
      `select s.nodeport as port from risk_internal.account_keys k join citus_shards s
           on s.shardid = get_shard_id_for_distribution_column('risk.accounts', k.account_key)
        where account_id = $1`,
      [account.id],
    );
    const side = String(place!.port) === port ? sick! : healthy!;
    if (side.length < EACH) side.push(account);
  }
  return { sick: sick!, healthy: healthy! };
}

function live({ id, people }: ServedAccount, slot: number): void {
  people.splice(slot % 5, 1);
  people.push(personOf(id, 1_000 + slot));
  people[3]!.event_count = 2_000 + slot;
}

/**
 * Whether the slot was missed. A slot may be missed only because the database was unreachable, with the exit code for
 * that.
 */
async function misses(account: ServedAccount, onPage: () => Promise<void>): Promise<boolean> {
  try {
    const { error } = await account.sync({ timing: TIMING, onPage });
    if (error === null) return false;
    assert.equal(error.exit, 75, error.message);
    return true;
  } catch (error) {
    assert.ok(isOperatorError(error) && error.exit === 75, String(error));
    return true;
  }
}

async function untilAnswers({ rows }: MigratedDatabase): Promise<void> {
  while (
    !(await rows('select count(*) from risk.accounts').then(
      () => true,
      () => false,
    ))
  );
}
