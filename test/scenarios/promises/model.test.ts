// P2, model-based: anything may happen to the runs, and to an account between and during runs. No user who had a level
// all the time is cleared. With two complete walks instead of lookups, that cannot be promised, so it is counted.
// MODEL_SEQUENCES chooses how many sequences; `npm run test:long` runs 10,000.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createLivingAccount, type ResetStyle } from '../../support/api/living-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import {
  commands,
  emptyTally,
  happening,
  settle,
  type Real,
  type Tally,
} from '../../support/world/model-commands.ts';
import { quiet } from '../../support/stage.ts';

const SEQUENCES = Number(process.env['MODEL_SEQUENCES'] ?? 75);
/** Sequences in parallel: a run mostly waits for the database. */
const LANES = 3;
const SEED = fc.readConfigureGlobal().seed ?? Date.now() % 2_147_483_647;
/** What other sequences meet is random: see fast-check-seed.ts. */
const isRandom = process.env['FC_SEED'] !== undefined;

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
const account = fc.record({
  style: fc.constantFrom<ResetStyle>('no_level', 'old_level', 'not_found', 'hollow'),
  people: fc.array(happening, { minLength: 8, maxLength: 30, size: 'max' }),
  everything: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  beyond: fc.constantFrom('empty' as const, 'empty', 'refused'),
  perPage: fc.constantFrom(2, 3, 5),
  concurrency: fc.constantFrom(1, 2),
});

async function live(confirm: 'lookup' | 'walks', sequences: number, tally: Tally): Promise<void> {
  const lane = (index: number) =>
    fc.assert(
      fc.asyncProperty(
        account,
        commands(confirm),
        async ({ style, everything, beyond, people, ...how }, script) => {
          const accountId = randomBytes(16).toString('hex');
          const living = createLivingAccount(accountId, style, everything, beyond);
          for (let one = 0; one < 8; one++) living.happen({ kind: 'arrive', level: 'low' });
          for (const what of people) living.happen(what);
          const real: Real = { db, accountId, account: living, confirm, logger: quiet, tally, ...how };
          await fc.asyncModelRun(() => ({ model: {}, real }), script);
          await settle(real);
        },
      ),
      { numRuns: Math.ceil(sequences / LANES), seed: SEED + index },
    );
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
}

test('no user who had a level all the time is cleared, and once the world stands still, one run publishes the truth', async (t) => {
  const tally = emptyTally();
  await live('lookup', SEQUENCES, tally);
  t.diagnostic(JSON.stringify(tally));
  assert.equal(tally.falseClears, 0);
  if (!isRandom)
    for (const what of [
      'complete',
      'partial',
      'failed',
      'cleared',
      'takenOver',
      'refusedEnd',
      'pageRefused',
    ] as const)
      assert.ok(tally[what] > SEQUENCES / 60, what);
});

test('without lookups, everything else holds, and two runs of an unchanged world publish the truth', async (t) => {
  const tally = emptyTally();
  await live('walks', Math.ceil(SEQUENCES / 3), tally);
  t.diagnostic(JSON.stringify(tally));
  if (!isRandom)
    for (const what of ['complete', 'partial', 'failed', 'cleared'] as const)
      assert.ok(tally[what] > SEQUENCES / 180, what);
});
