// The settings of every test that is not about a setting.
import { keepAll } from '../../src/pii-policy.ts';
import type { RunDeps } from '../../src/sync/run-sync.ts';

export const TEST_SETTINGS: RunDeps['settings'] = {
  perPage: 'auto',
  concurrency: 4,
  maxPasses: 4,
  confirm: 'lookup',
  confirmLookups: 100,
  maxClearedRatio: 0.5,
  timeBudgetMs: 60_000,
  rejectedRetentionMs: 30 * 86_400_000,
  pii: keepAll,
};
