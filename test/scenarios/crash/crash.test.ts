// Runs that are killed, stopped past their lease, or only take long. Promises P1, P3, P6 and P7 are checked after each.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { childScript, type ChildScript } from '../../support/child.ts';
import { dyingRuns, ENDLESS, type DyingRuns, SHORT } from '../../support/world/dying-runs.ts';
import { requestSync } from '../../../src/sync/request-sync.ts';
import { TEST_SETTINGS } from '../../support/settings.ts';
import { quiet } from '../../support/stage.ts';

let runs: DyingRuns;
let script: ChildScript;
before(async () => {
  [runs, script] = await Promise.all([dyingRuns(), childScript('children/sync-child.ts')]);
});
after(async () => {
  await script.close();
  await runs.close();
});

/** 200 in `npm run test:long`. */
const KILLS = Number(process.env['TEST_KILLS'] ?? 6);

for (const [failpoint, publishes] of [
  ['claimed', false],
  ['reading', false],
  ['walked', false],
  ['asked', false],
  ['copying', false],
  ['copied', false],
  ['publishing', false],
  ['published', true],
] as const) {
  test(`killed when ${failpoint}: readers see ${publishes ? 'its' : 'the previous'} snapshot whole, and the next run succeeds at once`, async (t) => {
    const accountId = runs.newAccount();
    const yesterday = runs.now();
    const first = await runs.succeed(t, accountId);
    await runs.assertSnapshot(accountId, first, yesterday);

    runs.aDayLater();
    const child = runs.startChild(script, accountId, [failpoint], ENDLESS);
    child.say('go');
    await child.line(`at ${failpoint}`);
    child.kill('SIGKILL');
    assert.equal((await child.ended).signal, 'SIGKILL');

    const seen = await runs.snapshotsOf(accountId);
    assert.equal(seen.length, publishes ? 2 : 1);
    await runs.assertSnapshot(accountId, seen.at(-1)?.id ?? 0, publishes ? runs.now() : yesterday);
    await runs.assertConsistent(accountId);

    const next = await runs.succeed(t, accountId, { timing: ENDLESS });
    await runs.assertSnapshot(accountId, next, runs.now());
    await runs.assertSnapshot(accountId, first, yesterday);
    await runs.assertConsistent(accountId);
    await runs.assertNothingLeft(accountId);
    assert.deepEqual(
      await runs.runsOf(accountId),
      publishes ? ['succeeded', 'succeeded', 'succeeded'] : ['succeeded', 'abandoned ABANDONED', 'succeeded'],
    );
  });
}

test('killed at random instants: nothing is half written, and every next run succeeds at once', async (t) => {
  const accountId = runs.newAccount();
  let yesterday = runs.now();
  await runs.succeed(t, accountId);
  // How long a run takes here, from its start to its end.
  runs.aDayLater();
  const whole = runs.startChild(script, accountId);
  await whole.line('ready');
  const began = performance.now();
  whole.say('go');
  await whole.line('ended');
  const typical = performance.now() - began;
  await runs.assertSnapshot(accountId, (await runs.snapshotsOf(accountId)).at(-1)?.id ?? 0, runs.now());

  const rounds = KILLS;
  for (let round = 0; round < rounds; round++) {
    yesterday = runs.now();
    const known = await runs.snapshotsOf(accountId);
    runs.aDayLater();
    // The end of the list shows in two ways, and neither may be half believed.
    runs.simulator.setFaults(round % 2 === 0 ? ['refuse-beyond'] : []);
    const child = runs.startChild(script, accountId, [], ENDLESS);
    await child.line('ready');
    const delay = ((round + Math.random()) / rounds) * typical;
    child.say('go');
    await sleep(delay);
    child.kill('SIGKILL');
    await child.ended;
    const seen = await runs.snapshotsOf(accountId);
    const isPublished = seen.length > known.length;
    await runs.assertSnapshot(accountId, seen.at(-1)?.id ?? 0, isPublished ? runs.now() : yesterday);

    const next = await runs.succeed(t, accountId, { timing: ENDLESS });
    await runs.assertSnapshot(accountId, next, runs.now());
    // A COMMIT under way when the process died may have come after the check above.
    const all = await runs.snapshotsOf(accountId);
    for (const { id } of all.slice(known.length)) await runs.assertSnapshot(accountId, id, runs.now());
    await runs.assertSnapshot(accountId, known.at(-1)?.id ?? 0, yesterday);
    await runs.assertConsistent(accountId);
    await runs.assertNothingLeft(accountId);
    t.diagnostic(
      `killed after ${delay.toFixed(0)} of ${typical.toFixed(0)} ms: ${isPublished ? 'published' : (await runs.runsOf(accountId)).at(-2)}`,
    );
  }
  runs.simulator.setFaults([]);
});

for (const failpoint of ['claimed', 'reading', 'walked', 'asked', 'copying', 'copied']) {
  test(`stopped when ${failpoint}, past its lease: another run publishes, and the stopped run cannot`, async (t) => {
    const accountId = runs.newAccount();
    await runs.succeed(t, accountId);
    runs.aDayLater();
    const child = runs.startChild(script, accountId, [failpoint], SHORT);
    child.say('go');
    await child.line(`at ${failpoint}`);
    child.kill('SIGSTOP');
    // It sends no heartbeat, but it is not dead: only its silence shows that it stopped.
    await sleep(SHORT.heartbeatMs * 2);
    const other = await runs.succeed(t, accountId, { timing: SHORT });
    child.say('on');
    child.kill('SIGCONT');
    const ended = JSON.parse((await child.line('ended')).slice(6)) as object;
    assert.deepEqual(ended, { kind: 'ran', error_code: 'LEASE_LOST', snapshot_id: null });
    assert.equal((await runs.snapshotsOf(accountId)).at(-1)?.id, other);
    assert.equal((await runs.snapshotsOf(accountId)).length, 2);
    assert.deepEqual(await runs.runsOf(accountId), ['succeeded', 'abandoned ABANDONED', 'succeeded']);
    await runs.assertSnapshot(accountId, other, runs.now());
    await runs.assertConsistent(accountId);
    assert.ok((await runs.succeed(t, accountId)) > other);
    await runs.assertNothingLeft(accountId);
  });
}

test('a live run keeps other runs out, however long it takes', async (t) => {
  const accountId = runs.newAccount();
  // The lease is long enough for a heartbeat on a busy machine. The run is held for two leases: only its heartbeat
  // keeps the account.
  const timing = { ...SHORT, leaseMs: 2_500 };
  const child = runs.startChild(script, accountId, ['walked'], timing);
  child.say('go');
  await child.line('at walked');
  for (const end = Date.now() + 2 * timing.leaseMs; Date.now() < end; await sleep(500)) {
    const outcome = await requestSync(
      { pool: runs.db.pool, client: runs.clientFor(t), logger: quiet, settings: TEST_SETTINGS, timing },
      { accountId, trigger: 'cli', signal: new AbortController().signal },
    );
    assert.equal(outcome.kind, 'already_running');
  }
  child.say('on');
  assert.match(await child.line('ended'), /"error_code":null/);
  assert.deepEqual(await runs.runsOf(accountId), ['succeeded']);
  await runs.assertNothingLeft(accountId);
});
