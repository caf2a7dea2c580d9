// Saved answers become exactly the history that the oracle computes for walks that were served the same answers,
// without lookups (P2, P3). An import that is killed anywhere and run again ends like one that was not (P7).
// IMPORT_RUNS and IMPORT_KILLS choose how many; `npm run test:long` takes more.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { inspectFile } from '../../../src/saved/inspect-file.ts';
import type { PlannedSnapshot } from '../../../src/saved/plan-snapshots.ts';
import { slotFacts } from '../../../src/sync/claim/slot-facts.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import type { RunDeps } from '../../../src/sync/run-sync.ts';
import { importSnapshot } from '../../../src/upkeep/import/import-snapshot.ts';
import { planImport } from '../../../src/upkeep/import/plan-import.ts';
import type { Listing } from '../../support/api/scripted-api.ts';
import { serveRecords } from '../../support/api/serve-records.ts';
import { childScript, type ChildScript } from '../../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { compareHistory } from '../../support/oracle/compare-history.ts';
import { HISTORY_DEFECTS } from '../../support/oracle/history-defects.ts';
import { createOracle, type Oracle } from '../../support/oracle/oracle.ts';
import type { ServedPage } from '../../support/oracle/oracle-verdict.ts';
import { TEST_SETTINGS } from '../../support/settings.ts';
import { quiet, runSyncOf } from '../../support/stage.ts';
import type { ImportChild } from '../../support/children/import-child.ts';
import { listingOf, serving, understood, type Meanings } from '../../support/world/random-serving.ts';
import { apply, change, uuidOf, type World } from '../../support/world/random-world.ts';
import { envelope, recordOf, savedFiles, type SavedRecord } from '../../support/world/saved-answers.ts';

const RUNS = Number(process.env['IMPORT_RUNS'] ?? 2);
const KILLS = Number(process.env['IMPORT_KILLS'] ?? 1);
const HOUR = 3_600_000;
const START = Date.parse('2024-01-01T00:00:00Z');

const FORMS = ['a file a page', 'an array', 'one after another', 'no envelopes'] as const;
/** How one walk was saved. */
const saving = fc.record({
  changes: fc.array(change, { maxLength: 6, size: 'max' }),
  serving,
  form: fc.constantFrom(...FORMS, 'a file a page', 'an array', 'one after another'),
  gzip: fc.boolean(),
  perPage: fc.constantFrom(5, 20, 50),
  /** The page that was not saved, if there is such a page. */
  lost: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 9, nil: null }),
  accept: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
  hours: fc.integer({ min: 1, max: 500 }),
});
type Saving = typeof saving extends fc.Arbitrary<infer T> ? T : never;
type Saved = { at: Date; files: Record<string, string | object>; pages: ServedPage[] };

describe('saved answers', () => {
  test('become the snapshots that the oracle computes, whatever was served and however it was saved', async (t) => {
    const seen = { complete: 0, partial: 0, cleared: 0, failed: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(saving, { minLength: 8, maxLength: 14, size: 'max' }), async (past) => {
        const db = await migratedDatabase();
        try {
          await live(db, past, seen);
        } finally {
          await db.close();
        }
      }),
      { numRuns: RUNS },
    );
    t.diagnostic(JSON.stringify(seen));
    if (RUNS >= 20)
      for (const [what, times] of Object.entries(seen)) assert.ok(times > 0, `no walk was ${what}`);
  });

  test('are followed by a sync, which compares the account with the newest of them', async () => {
    const db = await migratedDatabase();
    try {
      const accountId = uuidOf('followed').replaceAll('-', '');
      const one = await importOf(db, accountId, '2024-01-05T04:00:00Z', [recordOf(1), recordOf(2)]);
      assert.equal(one.published?.verdict, 'complete');
      // To the schedule, the account is as old as its newest answer: a sync is due.
      const { sinceSuccessMs } = (await slotFacts(db.pool, [accountId], null)).known.get(accountId)!;
      assert.ok(sinceSuccessMs !== null && sinceSuccessMs > 300 * 24 * HOUR);
      const served = [recordOf(1, { max_risk_level: 'high' }), recordOf(2), recordOf(3)];
      const client: RunDeps['client'] = {
        summaryPage: ({ page, openReader }) =>
          serveRecords(page === 1 ? served : [], { page, total_count: served.length }, openReader),
        lookUpUser: () => assert.fail('nobody is missing'),
      };
      const { published, error, facts } = await runSyncOf(accountId, { pool: db.pool, client });
      assert.equal(error, null);
      const { verdict, users, raised, appeared } = published!;
      assert.deepEqual(
        { verdict, users, raised, appeared },
        { verdict: 'complete', users: 3, raised: 1, appeared: 1 },
      );
      // An import says nothing about how the server handles pages.
      assert.equal(facts.evidence.paging_changed, undefined);
    } finally {
      await db.close();
    }
  });

  test('that another run has overtaken are not published under another time', async () => {
    const db = await migratedDatabase();
    try {
      const accountId = uuidOf('overtaken').replaceAll('-', '');
      const late = await plannedOf(db, accountId, '2024-01-05T04:00:00Z', [recordOf(1)]);
      await importOf(db, accountId, '2024-01-05T04:00:00.001Z', [recordOf(1)]);
      const { error, published } = await publishOf(db, accountId, late);
      assert.deepEqual([error?.code, published], ['IMPORT_OUT_OF_ORDER', null]);
      assert.equal((await db.rows('select from risk.snapshots')).length, 1);
      assert.equal((await db.rows('select from risk_internal.imports')).length, 1);
    } finally {
      await db.close();
    }
  });
});

describe('an import of 20 files', { concurrency: false }, () => {
  let db: MigratedDatabase;
  let script: ChildScript;
  let folder = '';
  let files: ImportChild['files'] = [];

  before(async () => {
    [db, script] = await Promise.all([migratedDatabase(), childScript('children/import-child.ts')]);
    const saved = Array.from({ length: 20 }, (_, n) => {
      const users = Array.from({ length: 40 }, (_, user) =>
        recordOf(user + n, { max_risk_level: ['low', 'medium', 'high'][(user + n * n) % 3], event_count: n }),
      );
      return envelope(users, { page: 1, total_count: n % 4 === 3 ? 41 : 40 });
    });
    const written = await savedFiles(
      Object.fromEntries(saved.map((one, n) => [`${n}.json${n % 2 === 0 ? '.gz' : ''}`, one])),
    );
    folder = written.folder;
    files = written.paths.map((path, n) => ({ path, at: new Date(START + n * HOUR).toISOString() }));
  });
  after(async () => {
    await script.close();
    await rm(folder, { recursive: true });
    await db.close();
  });

  async function bringAll(accountId: string, stopAt: string | null): Promise<void> {
    const child = script.start({ databaseUrl: db.url, accountId, files, stopAt } satisfies ImportChild);
    await child.line('ready');
    child.say('go');
    if (stopAt === null) return void (await child.line('ended'));
    await child.line(`at ${stopAt}`);
    child.kill('SIGKILL');
    await child.ended;
  }

  /** Everything of the account that readers see, without the numbers that the database handed out. */
  const historyOf = (accountId: string) =>
    db.rows<object>(
      `select s.observed_at, s.verdict, s.is_baseline, s.appeared, s.raised, s.lowered, s.cleared, s.returned,
              (select string_agg(concat_ws(' ', u.user_id, u.email, u.max_risk_level, u.event_count), ',' order by u.user_id)
                 from risk_bi.snapshot_users(s.snapshot_id) u) as users,
              (select count(*) from risk_internal.imports i where i.account_key = s.account_key and i.snapshot_id = s.snapshot_id
                  and i.observed_at = s.observed_at)::integer as files
         from risk.snapshots s join risk.accounts a using (account_key) where a.account_id = $1 order by 1`,
      [accountId],
    );

  const POINTS = ['claimed', 'reading', 'walked', 'asked', 'copied', 'publishing', 'published'];

  test('ends the same after kill -9 anywhere, when it is run again', async () => {
    const whole = uuidOf('whole').replaceAll('-', '');
    await bringAll(whole, null);
    const expected = await historyOf(whole);
    assert.equal(expected.length, 20);
    assert.ok(expected.every((row) => (row as { files: number }).files === 1));
    for (let kill = 0; kill < KILLS; kill++) {
      const accountId = uuidOf(`killed ${kill}`).replaceAll('-', '');
      // The first reading of an empty account has no range to stop at.
      const nth = 2 + ((kill * 7) % 18);
      await bringAll(accountId, `${POINTS[(kill * 5 + 4) % POINTS.length]} ${nth}`);
      await bringAll(accountId, null);
      assert.deepEqual(await historyOf(accountId), expected);
    }
  });
});

async function plannedOf(
  { pool }: MigratedDatabase,
  accountId: string,
  at: string,
  users: readonly SavedRecord[],
): Promise<PlannedSnapshot> {
  const bytes = Buffer.from(JSON.stringify(envelope(users, { total_count: users.length })));
  const file = { name: 'in memory', open: () => Readable.from([bytes]) };
  const facts = await inspectFile(file, new AbortController().signal);
  const { todo } = await planImport(pool, accountId, [{ at: new Date(at), facts }]);
  return todo[0]!;
}

async function publishOf({ pool }: MigratedDatabase, accountId: string, planned: PlannedSnapshot) {
  const { signal } = new AbortController();
  const deps = { pool, logger: quiet, settings: TEST_SETTINGS, timing: LEASE_TIMING };
  return (await importSnapshot(deps, { accountId, planned, acceptMassClear: false, signal })).result;
}

async function importOf(db: MigratedDatabase, accountId: string, at: string, users: readonly SavedRecord[]) {
  return publishOf(db, accountId, await plannedOf(db, accountId, at, users));
}

async function live(
  db: MigratedDatabase,
  past: readonly Saving[],
  seen: Record<string, number>,
): Promise<void> {
  const accountId = uuidOf('imported').replaceAll('-', '');
  const world: World = { name: 'imported', people: [], lost: undefined };
  const meanings: Meanings = new Map();
  const oracle = createOracle();
  let time = START;
  for (const saved of past) {
    time += saved.hours * HOUR;
    for (const what of saved.changes) apply(world, what);
    const listing = listingOf(world, saved.serving, meanings);
    await bring(
      db,
      { accountId, oracle, seen },
      save(new Date(time), listing, saved, meanings),
      saved.accept,
    );
  }
  await compareHistory(db.pool, accountId, oracle, 'all');
  for (const [what, query] of Object.entries(HISTORY_DEFECTS))
    assert.deepEqual(await db.rows(query), [], what);
}

/** A list that begins with something else than a user is no list of users. */
function bareOf(page: readonly SavedRecord[]): object {
  const [first] = page;
  const isObject = typeof first === 'object' && first !== null && !Array.isArray(first);
  return isObject || page.length === 0 ? page : { users: page };
}

/** The files, and what the oracle learns about them. */
function save(at: Date, listing: Listing, how: Saving, meanings: Meanings): Saved {
  const records = listing.readings[0] as SavedRecord[];
  const count = Math.max(1, Math.ceil(records.length / how.perPage));
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const kept = numbers.filter((number) => number !== how.lost || count === 1);
  const pageOf = (number: number) => records.slice((number - 1) * how.perPage, number * how.perPage);
  const totalOf = (number: number) => {
    const { movedTotal, total } = listing;
    return movedTotal !== null && number >= movedTotal.fromPage ? movedTotal.total : total;
  };
  const bare = how.form === 'no envelopes' || listing.total === null;
  const answers = kept.map((number) => {
    const total = totalOf(number);
    if (how.form === 'no envelopes') return bareOf(pageOf(number));
    return envelope(pageOf(number), total === null ? { page: number } : { page: number, total_count: total });
  });
  const name = at.toISOString().replaceAll(':', '-');
  const ending = how.gzip ? '.json.gz' : '.json';
  const texts = answers.map((answer) => JSON.stringify(answer));
  const files: Saved['files'] =
    how.form === 'a file a page'
      ? Object.fromEntries(
          texts.map((text, index) => [`${name}-p${kept[index]}${ending}`, text]).toReversed(),
        )
      : { [`${name}${ending}`]: how.form === 'an array' ? `[${texts.join(',')}]` : texts.join('\n') };
  const told = kept.map((number) => ({
    reading: 1,
    page: number,
    total: bare ? null : totalOf(number),
    records: pageOf(number),
  }));
  // To the oracle, a page that was not saved and a missing total are a page that states another total: no proof.
  const isDoubtful = bare || kept.length < Math.max(...kept);
  const doubt = { reading: 1, page: 0, total: -1, records: [] };
  return { at, files, pages: understood(isDoubtful ? [doubt, ...told] : told, meanings) };
}

type Account = { accountId: string; oracle: Oracle; seen: Record<string, number> };

async function bring(
  { pool }: MigratedDatabase,
  { accountId, oracle, seen }: Account,
  { at, files, pages }: Saved,
  acceptMassClear: boolean,
): Promise<void> {
  const { folder, paths } = await savedFiles(files);
  const { signal } = new AbortController();
  const open = (path: string) => ({ name: path, open: () => createReadStream(path) });
  const found = await Promise.all(
    paths.map(async (path) => ({ at, facts: await inspectFile(open(path), signal) })),
  );
  const { todo } = await planImport(pool, accountId, found);
  assert.equal(todo.length, 1);
  const { result } = await importSnapshot(
    { pool, logger: quiet, settings: TEST_SETTINGS, timing: LEASE_TIMING },
    { accountId, planned: todo[0]!, acceptMassClear, signal },
  );
  const observedAt = BigInt(at.getTime()) * 1000n;
  const run = { observedAt, pages, brokeOff: false, acceptMassClear, confirm: 'walks' as const, lookups: [] };
  const expected = oracle.foresee(run);
  if (expected.kind === 'failed') {
    seen['failed']!++;
    assert.equal(result.error?.code, expected.errorCode);
    assert.equal(result.published, null);
  } else {
    const { plan } = expected;
    const { snapshotId, guard, verdict, ...counts } = result.published!;
    assert.equal(guard?.code ?? null, plan.errorCode);
    assert.deepEqual({ verdict, ...counts }, { verdict: plan.verdict, ...plan.counts });
    seen[plan.verdict]!++;
    seen['cleared']! += plan.counts.cleared;
    oracle.publish(plan, snapshotId!);
    const again = await planImport(pool, accountId, found);
    assert.deepEqual([again.todo.length, again.done[0]?.snapshotId], [0, snapshotId]);
  }
  await rm(folder, { recursive: true });
}
