// What most tests of whole runs need: a silent logger, a client, and a run from its claim to its end.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  createCloudflareClient,
  type ClientOptions,
  type CloudflareClient,
} from '../../src/cloudflare/client.ts';
import { createLogger } from '../../src/logger.ts';
import { LEASE_TIMING } from '../../src/sync/claim/lease.ts';
import { requestSync, type SyncRequest } from '../../src/sync/request-sync.ts';
import type { RunDeps, RunResult } from '../../src/sync/run-sync.ts';
import { TEST_SETTINGS } from './settings.ts';

export const quiet = createLogger({
  level: 'silent',
  secrets: [],
  pretty: false,
  destination: { write() {} },
});

/** A client of a server that accepts this token. Closed after the test. */
export function clientOf(
  t: Pick<TestContext, 'after'>,
  baseUrl: string | URL,
  { token = 'x', ...options }: Partial<ClientOptions> & { token?: string } = {},
): CloudflareClient {
  const auth = { kind: 'token', token } as const;
  const client = createCloudflareClient({ baseUrl: new URL(baseUrl), auth, logger: quiet, ...options });
  t.after(() => client.close());
  return client;
}

type Given = Pick<RunDeps, 'pool' | 'client'> &
  Partial<Omit<RunDeps, 'settings'>> & { settings?: Partial<RunDeps['settings']> };

/** One run of an account that no other run syncs, with the tests' settings unless others are given. */
export async function runSyncOf(
  accountId: string,
  { settings, ...deps }: Given,
  request: Partial<Omit<SyncRequest, 'accountId'>> = {},
): Promise<RunResult & { runId: number }> {
  const outcome = await requestSync(
    { logger: quiet, timing: LEASE_TIMING, ...deps, settings: { ...TEST_SETTINGS, ...settings } },
    { accountId, trigger: 'cli', signal: new AbortController().signal, ...request },
  );
  assert.ok(outcome.kind === 'ran', outcome.kind);
  return { ...outcome.result, runId: outcome.runId };
}
