// A change of PII_MODE in its own process, which kills itself at one of its steps. Run by test/support/child.ts.
import { createPool } from '../../../src/db/pool.ts';
import { createPiiPolicy } from '../../../src/pii-policy.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { applyMode } from '../../../src/upkeep/privacy/apply-mode.ts';

export type PrivacyChild = { url: string; accountKey: number; key: string; dieAt: string; nth: number };

const { url, accountKey, key, dieAt, nth } = JSON.parse(process.argv[2] ?? '') as PrivacyChild;
let met = 0;
await applyMode(
  {
    pool: createPool({ url, logger: { warn() {} } }),
    timing: LEASE_TIMING,
    async failpoint(name) {
      if (name === dieAt && ++met === nth) process.kill(process.pid, 'SIGKILL');
    },
  },
  {
    accountKey,
    target: { ...createPiiPolicy('pseudonymous', key), dropOldHashes: false },
    signal: new AbortController().signal,
    onBusy: () => undefined,
  },
);
process.exit();
