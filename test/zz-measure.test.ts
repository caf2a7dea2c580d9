import { after, before, test } from 'node:test';
import { createPiiPolicy, keepAll } from '../src/pii-policy.ts';
import { servedAccount } from './support/api/served-account.ts';
import { applyMode } from '../src/upkeep/privacy/apply-mode.ts';
import { LEASE_TIMING } from '../src/sync/claim/lease.ts';
import { migratedDatabase, type MigratedDatabase } from './support/database/migrated-database.ts';
let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());
const KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => (n * 29 + 17) % 256)).toString('base64');
test('measure', { timeout: 600_000 }, async () => {
  const N = 200_000;
  for (const [mode, pii] of [
    ['full', keepAll],
    ['pseudonymous', createPiiPolicy('pseudonymous', KEY)],
    ['none', createPiiPolicy('none', null)],
  ] as const) {
    const account = servedAccount(db.pool, N);
    const settings = { pii, timeBudgetMs: 600_000 };
    const timed = async (what: string) => {
      const b = performance.now();
      const c = process.cpuUsage();
      const { error } = await account.sync({ settings });
      const cpu = process.cpuUsage(c);
      console.log(
        mode,
        what,
        error?.code ?? 'ok',
        ((performance.now() - b) / 1000).toFixed(2),
        's wall',
        (cpu.user / 1e6).toFixed(2),
        's cpu',
      );
    };
    await timed('first');
    await timed('unchanged');
    await timed('unchanged');
    await timed('unchanged');
    if (mode === 'full') {
      const [row] = await db.rows<{ account_key: number }>(
        'select account_key from risk.accounts where account_id = $1',
        [account.id],
      );
      const b = performance.now();
      const c = process.cpuUsage();
      const r = await applyMode(
        { pool: db.pool, timing: LEASE_TIMING },
        {
          accountKey: row!.account_key,
          target: { ...createPiiPolicy('pseudonymous', KEY), dropOldHashes: false },
          signal: new AbortController().signal,
          onBusy() {},
        },
      );
      console.log(
        'apply',
        r.identities,
        ((performance.now() - b) / 1000).toFixed(2),
        's wall',
        (process.cpuUsage(c).user / 1e6).toFixed(2),
        's cpu',
      );
    }
  }
});
