// Readers of a feed, while the history is restored, copied and promoted. A reader that may go on has read exactly what
// this history holds. Random sequences of events are compared with an oracle that gives every transaction its own name.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { beginEpoch, takeFeedValue } from '../../../src/db/feed-clock.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { servedAccount } from '../../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

type Clock = { last_snapshot_id: string; epoch: string; place: string | null };
/** What a dump or a standby holds: the rows, and the names of the transactions behind the values. */
type Held = { clock: Clock; epochs: object[]; names: readonly string[] };
type Reader = { epoch: string; watermark: number; names: readonly string[] };

const readClock = async () =>
  (await db.rows<Clock>('select last_snapshot_id, epoch, place from risk_internal.feed_clock'))[0]!;

async function hold(names: readonly string[]): Promise<Held> {
  return { clock: await readClock(), epochs: await db.rows('select * from risk_internal.epochs'), names };
}

/** Puts back what was held. It comes from another place than this one. */
async function putBack({ clock, epochs }: Held): Promise<void> {
  await db.rows('delete from risk_internal.epochs');
  for (const row of epochs)
    await db.rows(
      'insert into risk_internal.epochs select r.* from jsonb_populate_record(null::risk_internal.epochs, $1::jsonb) r',
      [JSON.stringify(row)],
    );
  await db.rows('update risk_internal.feed_clock set last_snapshot_id = $1, epoch = $2, place = $3', [
    clock.last_snapshot_id,
    clock.epoch,
    'another place',
  ]);
}

const write = () => inTransaction(db.pool, DEFAULT_LIMITS, (tx) => takeFeedValue(tx, 1));

/** As docs/feeds.md says it. */
async function mayGoOn({ epoch, watermark }: Reader): Promise<boolean> {
  const [row] = await db.rows<{ up_to: number }>(
    'select good_up_to::float8 as up_to from risk_bi.feed_epochs where epoch = $1',
    [epoch],
  );
  return row !== undefined && watermark <= row.up_to;
}

type Step = { kind: 'write' | 'read' | 'dump' | 'restore' | 'copy'; which: number };
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'read', 'dump', 'restore', 'copy'),
  which: fc.nat(2),
});

test('a reader who may go on has read exactly the transactions of this history', async (t) => {
  const met = { 'may go on after a move': 0, 'must load again': 0, 'cannot be told apart': 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40, size: 'max' }), async (steps) => {
      let names: string[] = [];
      const dumps: Held[] = [];
      const readers: Reader[] = [];
      await putBack({ clock: { ...(await readClock()), last_snapshot_id: '0' }, epochs: [], names });
      for (const [n, { kind, which }] of steps.entries()) {
        if (kind === 'write') {
          assert.equal(await write(), names.length + 1);
          names.push(`transaction ${n}`);
        }
        if (kind === 'read')
          readers.push({ epoch: (await readClock()).epoch, watermark: names.length, names: [...names] });
        if (kind === 'dump') dumps.push(await hold([...names]));
        if (kind === 'restore' || kind === 'copy') {
          const held = dumps[which % Math.max(1, dumps.length)] ?? (await hold([...names]));
          await putBack(held);
          names = [...held.names];
          if (kind === 'copy')
            await inTransaction(db.pool, DEFAULT_LIMITS, (tx) => beginEpoch(tx, 1, 'copied', names.length));
        }
        const { epoch } = await readClock();
        for (const reader of readers) {
          const isSame = JSON.stringify(reader.names) === JSON.stringify(names.slice(0, reader.watermark));
          const goesOn = await mayGoOn(reader);
          if (goesOn && reader.epoch !== epoch) met['may go on after a move']++;
          if (!goesOn) met[isSame ? 'cannot be told apart' : 'must load again']++;
          assert.ok(!goesOn || isSame, `goes on from ${reader.watermark} of ${reader.epoch}`);
        }
      }
    }),
    { numRuns: Number(process.env['EPOCH_RUNS'] ?? 10) },
  );
  t.diagnostic(JSON.stringify(met));
  assert.ok(met['may go on after a move'] > 0 && met['must load again'] > 0);
});

describe('the place of a history', () => {
  test('begins a new epoch with the first writer after it changed, and with no other', async (t) => {
    const own = await migratedDatabase();
    t.after(() => own.close());
    const account = servedAccount(own.pool, 5);
    const epochs = () => own.rows<{ epoch: string }>('select distinct epoch from risk_internal.epochs');
    await account.succeed();
    await account.succeed();
    assert.deepEqual(await epochs(), [], 'the first place is no move');
    for (const part of [0, 1, 2, 3]) {
      await own.rows(
        `update risk_internal.feed_clock set place = array_to_string(parts[:$1] || '7'::text || parts[$1 + 2:], '/')
           from (select string_to_array(place, '/') as parts from risk_internal.feed_clock) was`,
        [part],
      );
      await account.succeed();
      await account.succeed();
      assert.equal((await epochs()).length, part + 1, `part ${part}`);
    }
    const [clock] = await own.rows<{ place: string; here: string }>(
      'select place, risk_internal.history_place() as here from risk_internal.feed_clock',
    );
    assert.equal(clock?.place, clock?.here);
    assert.match(clock?.here ?? '', /^\d+\/[0-9A-F]{8}\/\d+\/\d+$/);
  });

  test('is reported within the rights of the role: facts that the role may not ask are left out', async (t) => {
    const own = await migratedDatabase();
    t.after(() => own.close());
    const role = `asks_little_${process.pid}`;
    await own.rows(`create role ${role}`);
    await own.rows(`grant usage on schema risk_internal to ${role}`);
    await own.rows('revoke execute on function pg_control_system(), pg_walfile_name(pg_lsn) from public');
    const place = await inTransaction(own.pool, DEFAULT_LIMITS, async (_, client) => {
      await client.query(`set local role ${role}`);
      return (await client.query<{ place: string }>('select risk_internal.history_place() as place')).rows[0]
        ?.place;
    });
    await own.rows('grant execute on function pg_control_system(), pg_walfile_name(pg_lsn) to public');
    await own.rows(`drop owned by ${role}`);
    await own.rows(`drop role ${role}`);
    assert.match(place ?? '', /^-\/-\/\d+\/\d+$/);
  });
});
