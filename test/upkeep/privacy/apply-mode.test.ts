// A change of PII_MODE or PII_KEY rewrites what was kept before. It may be killed at every step, and readers by
// watermark miss nothing of it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createPiiPolicy, keepAll, type PiiPolicy } from '../../../src/pii-policy.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { applyMode, previewMode, type ApplyDeps } from '../../../src/upkeep/privacy/apply-mode.ts';
import { retireAccount } from '../../../src/upkeep/accounts.ts';
import { servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { childScript } from '../../support/child.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import { claimAccount } from '../../support/database/claimed-leases.ts';
import { releaseLease } from '../../../src/sync/claim/lease.ts';
import { DEFAULT_LIMITS, inTransaction } from '../../../src/db/transaction.ts';
import { createWatermarkReader } from '../../support/oracle/watermark-reader.ts';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => (n * 71 + 5) % 256)).toString('base64');
const OTHER_KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => (n * 43 + 9) % 256)).toString('base64');
const hashed = createPiiPolicy('pseudonymous', KEY);
const rehashed = createPiiPolicy('pseudonymous', OTHER_KEY);
const none = createPiiPolicy('none', null);
const TIMING = { ...LEASE_TIMING, pollMs: 10 };

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

type Identity = { email: string | null; name: string | null };

async function keyOf({ id }: ServedAccount): Promise<number> {
  const [row] = await db.rows<{ account_key: number }>(
    'select account_key from risk.accounts where account_id = $1',
    [id],
  );
  return row!.account_key;
}

const identitiesOf = (account: ServedAccount) =>
  db.rows<Identity & { user_key: number; valid_from: Date; valid_to: Date | null }>(
    `select user_key, valid_from, valid_to, email, name from risk.user_identities join risk.accounts using (account_key)
      where account_id = $1 order by 1, 2`,
    [account.id],
  );

async function modeOf(account: ServedAccount) {
  const [row] = await db.rows<{
    mode: string;
    key_id: string | null;
    is_applied: boolean;
    since: Date | null;
  }>(
    `select mode, key_id, is_applied, since from risk_internal.identity_modes join risk.accounts using (account_key)
      where account_id = $1`,
    [account.id],
  );
  return row;
}

async function apply(
  account: ServedAccount,
  policy: PiiPolicy,
  over: Partial<ApplyDeps> & { dropOldHashes?: boolean; onBusy?: () => void } = {},
) {
  const { dropOldHashes = false, onBusy = () => assert.fail('a run is under way'), ...deps } = over;
  return applyMode(
    { pool: db.pool, timing: TIMING, ...deps },
    {
      accountKey: await keyOf(account),
      target: { ...policy, dropOldHashes },
      signal: new AbortController().signal,
      onBusy,
    },
  );
}

/** Two versions of every person, and a rejected record. */
async function lived(users = 12): Promise<ServedAccount> {
  const account = servedAccount(db.pool, users);
  await account.succeed();
  account.people = account.people.map((one) => ({ ...one, name: `${one.name ?? 'Nobody'} the second` }));
  const flawed = { ...account.people[0]!, user_id: 'Quirinus', name: 'Quirinus' };
  const { error } = await account.sync({ beside: [flawed] });
  assert.equal(error, null);
  return account;
}

const rejectedOf = (account: ServedAccount) =>
  db.rows<{ raw: string }>(
    'select raw from risk_internal.rejected_records join risk.accounts using (account_key) where account_id = $1',
    [account.id],
  );

test('every version becomes the hash that a walk brings, so the next walk writes nothing', async () => {
  const account = await lived(700);
  const reader = createWatermarkReader(db.pool, account.id);
  await reader.poll();
  const before = await identitiesOf(account);
  const batches: number[] = [];
  const accountKey = await keyOf(account);
  const target = { ...hashed, dropOldHashes: false };
  const { changed } = await previewMode(db.pool, accountKey, target);
  assert.ok(changed);
  const applied = await applyMode(
    { pool: db.pool, timing: TIMING },
    {
      accountKey,
      target,
      signal: new AbortController().signal,
      onBusy: () => assert.fail(),
      onProgress: (done) => batches.push(done),
    },
  );
  assert.ok(batches.length > 1, 'in several transactions');
  assert.equal(
    applied.identities,
    before.filter(({ email, name }) => email !== null || name !== null).length,
  );
  assert.equal(applied.rejected, 1);
  assert.deepEqual(
    await identitiesOf(account),
    before.map((one) => hashed.keep(one)),
  );
  assert.deepEqual(await rejectedOf(account), []);
  await reader.verify();
  assert.deepEqual(await modeOf(account).then((row) => [row?.mode, row?.key_id, row?.is_applied]), [
    'pseudonymous',
    hashed.keyId,
    true,
  ]);
  const rows = await rowsOfHistory(db.pool, account.id);
  const { error } = await account.sync({ settings: { pii: hashed } });
  assert.equal(error, null);
  assert.deepEqual(await rowsOfHistory(db.pool, account.id), rows, 'an unchanged walk has written');
  assert.equal((await apply(account, hashed)).changed, false);
});

test('a run with another mode or key than the recorded one is refused, and writes nothing', async () => {
  const account = await lived();
  for (const pii of [hashed, none]) {
    const rows = await rowsOfHistory(db.pool, account.id);
    const flawed = { ...account.people[0]!, user_id: 'Quirinus the third' };
    await account.fail('IDENTITY_MODE', 78, { settings: { pii }, beside: [flawed] });
    assert.deepEqual(await rowsOfHistory(db.pool, account.id), rows);
    assert.equal((await rejectedOf(account)).length, 1);
  }
  await apply(account, hashed);
  await account.fail('IDENTITY_MODE', 78);
  const { error } = await account.sync({ settings: { pii: rehashed } });
  assert.match(
    error?.message ?? '',
    new RegExp(`hashed with the key ${hashed.keyId}, and PII_KEY is now ${rehashed.keyId}`),
  );
});

test('after mode pseudonymous, mode none leaves nothing, and mode full keeps what is served from then on', async () => {
  const account = await lived();
  await apply(account, hashed);
  await apply(account, none);
  const left = await identitiesOf(account);
  assert.ok(left.length > 12 && left.every(({ email, name }) => email === null && name === null));
  const { error } = await account.sync({ settings: { pii: none } });
  assert.equal(error, null);
  assert.equal((await identitiesOf(account)).length, left.length);
  const { identities, changed } = await apply(account, keepAll);
  assert.deepEqual([identities, changed], [0, true]);
  await account.succeed();
  const open = (await identitiesOf(account)).filter(({ valid_to }) => valid_to === null);
  assert.deepEqual(
    open.map(({ name }) => name).toSorted(),
    account.people.map(({ name }) => name).toSorted(),
  );
});

test('a new key leaves the old hashes, or removes them, and walks bring new ones', async () => {
  for (const dropOldHashes of [false, true]) {
    const account = await lived();
    await apply(account, hashed);
    const old = await identitiesOf(account);
    const { identities } = await apply(account, rehashed, { dropOldHashes });
    assert.equal(identities > 0, dropOldHashes);
    const { error } = await account.sync({ settings: { pii: rehashed } });
    assert.equal(error, null);
    const now = await identitiesOf(account);
    const ended = now.filter(({ valid_to }) => valid_to !== null);
    const kept = ended.map(({ email, name }) => ({ email, name }));
    const before = old
      .map(({ email, name }) => ({ email, name }))
      .filter((one) => kept.length < now.length || one.name !== null);
    if (dropOldHashes) assert.ok(kept.every(({ email, name }) => !email && !name));
    else assert.ok(before.every(({ name }) => name === null || kept.some((one) => one.name === name)));
    const open = now.filter(({ valid_to }) => valid_to === null).map(({ email, name }) => ({ email, name }));
    const wanted = account.people.map(({ email, name }) => rehashed.keep({ email, name }));
    const byName = (a: Identity, b: Identity) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1);
    assert.deepEqual(open.toSorted(byName), wanted.toSorted(byName));
  }
});

test('a retired account is brought into line as well', async () => {
  const account = await lived();
  await retireAccount(db.pool, account.id);
  await apply(account, none);
  assert.ok((await identitiesOf(account)).every(({ name }) => name === null));
});

test('a run that is under way is waited for', async () => {
  const account = await lived();
  const lease = await claimAccount(db.pool, account.id);
  let busy = 0;
  await apply(account, hashed, {
    async failpoint(name) {
      if (name === 'begun') assert.ok(busy > 0);
    },
    onBusy() {
      if (++busy === 1) void inTransaction(db.pool, DEFAULT_LIMITS, (tx) => releaseLease(tx, lease));
    },
  });
  assert.equal((await modeOf(account))?.is_applied, true);
});

test('a run that was paused during the whole change can neither publish nor keep rejected records', async () => {
  const account = await lived();
  const flawed = { ...account.people[1]!, user_id: 'Quirinus the late', name: 'Quirinus the late' };
  account.people = account.people.map((one) => ({ ...one, email: 'late@example.com' }));
  let isApplied = false;
  const { error, published } = await account.sync({
    beside: [flawed],
    timing: { ...LEASE_TIMING, heartbeatMs: 3_600_000 },
    async onPage() {
      if (isApplied) return;
      isApplied = true;
      // As if it had been silent for an hour.
      await db.rows(
        `update risk_internal.leases set heartbeat_at = now() - interval '1 hour', process = ''
          where account_key = ${await keyOf(account)}`,
      );
      await apply(account, hashed);
    },
  });
  assert.equal(published, null);
  assert.ok(error !== null);
  assert.deepEqual(await rejectedOf(account), []);
  assert.ok(
    (await identitiesOf(account)).every(({ email }) => email === null || email.startsWith('hmac-sha256:')),
  );
  assert.equal((await db.rows('select 1 from risk_internal.staged_rejected')).length, 0);
});

test('two changes at once do not undo each other: one of them stops', async () => {
  const account = await lived();
  await assert.rejects(
    apply(account, hashed, {
      async failpoint(name) {
        if (name === 'begun') await apply(account, none);
      },
    }),
    { code: 'IDENTITY_MODE' },
  );
  assert.deepEqual([(await modeOf(account))?.mode, (await modeOf(account))?.is_applied], ['none', true]);
  assert.ok((await identitiesOf(account)).every(({ email, name }) => email === null && name === null));
});

test('an identity that was written between reading and rewriting is left alone', async () => {
  const account = await lived();
  const accountKey = await keyOf(account);
  let isErased = false;
  await apply(account, hashed, {
    async failpoint(name) {
      if (name !== 'copied' || isErased) return;
      isErased = true;
      await db.rows(
        `update risk.user_identities set email = null, name = null, snapshot_id = snapshot_id + 1000
          where account_key = ${accountKey} and user_key = 1`,
      );
    },
  });
  const [one] = (await identitiesOf(account)).filter(({ user_key }) => user_key === 1);
  assert.deepEqual([one?.email, one?.name], [null, null]);
});

describe('a change that was killed', () => {
  let script: Awaited<ReturnType<typeof childScript>>;
  before(async () => {
    script = await childScript('children/privacy-child.ts');
  });
  after(() => script.close());

  for (const [dieAt, nth] of [
    ['begun', 1],
    ['copied', 1],
    ['rewritten', 2],
    ['committed', 1],
    ['ended', 1],
  ] as const) {
    test(`is completed by the next call: ${dieAt}, ${nth}`, async () => {
      const account = await lived(220);
      const before = await identitiesOf(account);
      const reader = createWatermarkReader(db.pool, account.id);
      await reader.poll();
      const accountKey = await keyOf(account);
      const child = script.start({ url: db.url, accountKey, key: KEY, dieAt, nth });
      assert.equal((await child.ended).signal, 'SIGKILL', child.stderr());
      if (dieAt !== 'ended') {
        for (const pii of [keepAll, hashed]) await account.fail('IDENTITY_MODE', 78, { settings: { pii } });
        await apply(account, hashed);
      }
      assert.deepEqual(
        await identitiesOf(account),
        before.map((one) => hashed.keep(one)),
      );
      await reader.verify();
      const { error, published } = await account.sync({ settings: { pii: hashed } });
      assert.equal(error, null);
      assert.equal(published?.renamed, 0);
    });
  }
});
