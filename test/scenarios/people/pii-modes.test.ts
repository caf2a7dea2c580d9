// PII_MODE: the same world, kept in three ways. Levels, counts and activity are equal, identities are those of the full
// history turned into hashes or nothing. PII_MODES_RUNS chooses how many worlds.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { createPiiPolicy, keepAll, type PiiPolicy } from '../../../src/pii-policy.ts';
import { RISK_LEVELS, type UserRisk } from '../../../src/user-risk.ts';
import { servedAccount, type ServedAccount } from '../../support/api/served-account.ts';
import { migratedDatabase, type MigratedDatabase } from '../../support/database/migrated-database.ts';
import { rowsOfHistory } from '../../support/database/rows-of-history.ts';
import { uuidOf } from '../../support/world/random-world.ts';

const RUNS = Number(process.env['PII_MODES_RUNS'] ?? 3);
const KEY = Buffer.from(Array.from({ length: 40 }, (_, n) => (n * 59 + 3) % 256));
const MODES = {
  full: keepAll,
  pseudonymous: createPiiPolicy('pseudonymous', KEY.toString('base64')),
  none: createPiiPolicy('none', null),
} as const satisfies Record<string, PiiPolicy>;
type Mode = keyof typeof MODES;

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

const text = fc.oneof(
  fc.constantFrom(
    null,
    '',
    'Ada@Example.com',
    'ada@example.com',
    'Zoë',
    'hmac-sha256:00000000:x',
    "it's; --",
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }).filter((value) => !value.includes('\0')),
);
const state = fc.record({
  email: text,
  name: text,
  level: fc.constantFrom(...RISK_LEVELS),
  events: fc.nat(3),
});
const PEOPLE = 12;
/** Null: not in the summary. */
const turn = fc.record({
  changes: fc.dictionary(fc.integer({ min: 0, max: PEOPLE - 1 }).map(String), fc.option(state, { freq: 4 }), {
    maxKeys: 5,
  }),
  /** A record that is rejected, with email and name in it. */
  flawed: fc.option(fc.record({ who: fc.nat(PEOPLE - 1), email: text, name: text }), { freq: 2 }),
});
const world = fc.record({
  people: fc.array(state, { minLength: PEOPLE, maxLength: PEOPLE }),
  turns: fc.array(turn, { minLength: 4, maxLength: 7, size: 'max' }),
});
type State = typeof state extends fc.Arbitrary<infer T> ? T : never;

function served(name: string, n: number, { email, name: called, level, events }: State): UserRisk {
  return {
    user_id: uuidOf(`${name}/${n}`),
    email,
    name: called,
    max_risk_level: level,
    event_count: events,
    last_event: `2026-01-01T10:00:0${events}.000001Z`,
  };
}

/** By node:crypto, and not by the program. */
function hashOf(label: string, value: string | null): string | null {
  if (value === null || value === '') return value;
  const text = label === 'email' ? value.toLowerCase() : value;
  const hash = createHmac('sha256', KEY).update(`${label}:${text}`).digest('base64url');
  return `hmac-sha256:${MODES.pseudonymous.keyId}:${hash}`;
}

const KEPT: Record<Mode, (identity: Identity) => Identity> = {
  full: (identity) => identity,
  pseudonymous: ({ email, name }) => ({ email: hashOf('email', email), name: hashOf('name', name) }),
  none: () => ({ email: null, name: null }),
};
type Identity = { email: string | null; name: string | null };
type Version = Identity & { user_id: string; nth: number };

/** Everything but identities, with snapshots as ordinal numbers: the accounts have other keys and times. */
async function countsOf({ id }: ServedAccount): Promise<unknown> {
  const [account] = await db.rows<{ key: number }>(
    'select account_key::integer as key from risk.accounts where account_id = $1',
    [id],
  );
  // Written into each subquery: then one node of a distributed history answers.
  const ofAccount = `account_key = ${account!.key}`;
  const nth = (column: string) =>
    `(select count(*)::integer from risk.snapshots s where s.${ofAccount} and s.observed_at <= ${column})`;
  const snapshots = await db.rows(
    `select verdict, user_count, met_count, carried_count, t.event_count, appeared, raised, lowered, cleared, returned
       from risk.snapshots t where t.${ofAccount} order by snapshot_id`,
  );
  const users = await db.rows(
    `select user_id, max_risk_level, event_count, last_event, ${nth('level_since')} as level_since, ${nth('first_seen_at')} as first,
            ${nth('absent_since')} as absent, ${nth('cleared_at')} as cleared
       from risk.users t where t.${ofAccount} order by user_id`,
  );
  const levels = await db.rows(
    `select u.user_id, ${nth('valid_from')} as from, ${nth('valid_to')} as to, t.max_risk_level, previous_level, change, end_reason
       from risk.user_levels t join risk.users u using (account_key, user_key)
      where t.${ofAccount} order by 1, valid_from`,
  );
  const activity = await db.rows(
    `select u.user_id, ${nth('observed_at')} as at, t.event_count, t.last_event
       from risk.user_activity t join risk.users u using (account_key, user_key)
      where t.${ofAccount} order by 1, observed_at`,
  );
  const rejected = await db.rows(
    `select user_id, reason from risk_internal.rejected_records where ${ofAccount} order by 1, 2`,
  );
  // Where texts are left out, records that differ in them alone are one.
  const distinct = [...new Set(rejected.map((row) => JSON.stringify(row)))];
  return { snapshots, users, levels, activity, distinct };
}

async function versionsOf({ id }: ServedAccount): Promise<Version[]> {
  return db.rows<Version>(
    `select u.user_id, i.email, i.name,
            (select count(*)::integer from risk.snapshots s where s.account_key = i.account_key and s.observed_at <= i.valid_from) as nth
       from risk.user_identities i join risk.users u using (account_key, user_key) join risk.accounts a using (account_key)
      where a.account_id = $1 order by 1, i.valid_from`,
    [id],
  );
}

/** A change that leaves nothing behind is no change. */
function keptBy(mode: Mode, versions: readonly Version[]): Version[] {
  const kept = versions.map((one) => ({ ...one, ...KEPT[mode](one) }));
  return kept.filter((one, at) => {
    const last = kept[at - 1];
    return last?.user_id !== one.user_id || last.email !== one.email || last.name !== one.name;
  });
}

test('the three modes keep the same levels, counts and activity, and identities as hashes or not at all', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ people, turns }) => {
      const accounts = new Map<Mode, ServedAccount>();
      for (const mode of Object.keys(MODES) as Mode[]) accounts.set(mode, servedAccount(db.pool, 0));
      const name = accounts.get('full')!.id;
      const states: (State | null)[] = [...people];
      for (const { changes, flawed } of [{ changes: {}, flawed: null }, ...turns]) {
        for (const [who, now] of Object.entries(changes)) states[Number(who)] = now;
        // An empty answer would fail.
        states[0] ??= people[0]!;
        const beside =
          flawed === null
            ? []
            : [
                {
                  user_id: uuidOf(`${name}/${flawed.who}`),
                  email: flawed.email,
                  name: flawed.name,
                  event_count: 'many',
                },
              ];
        for (const [mode, account] of accounts) {
          account.people = states.flatMap((one, n) =>
            one === null || (flawed !== null && n === flawed.who) ? [] : [served(name, n, one)],
          );
          const { error } = await account.sync({ beside, settings: { pii: MODES[mode] } });
          assert.equal(error, null, `${error?.code}: ${error?.message}`);
        }
      }
      const full = accounts.get('full')!;
      const [counts, versions] = [await countsOf(full), await versionsOf(full)];
      for (const mode of ['pseudonymous', 'none'] as const) {
        const account = accounts.get(mode)!;
        assert.deepEqual(await countsOf(account), counts, mode);
        assert.deepEqual(await versionsOf(account), keptBy(mode, versions), mode);
        account.people = states.flatMap((one, n) => (one === null ? [] : [served(name, n, one)]));
        const settled = await account.sync({ settings: { pii: MODES[mode] } });
        const before = await rowsOfHistory(db.pool, account.id);
        const unchanged = await account.sync({ settings: { pii: MODES[mode] } });
        assert.deepEqual([settled.error, unchanged.error], [null, null]);
        assert.deepEqual(
          await rowsOfHistory(db.pool, account.id),
          before,
          `${mode}: an unchanged walk has written`,
        );
      }
    }),
    { numRuns: RUNS },
  );
});
