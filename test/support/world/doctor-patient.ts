// A healthy account: simulated API, its own database, one sync; and `doctor` as people start it.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Client } from 'pg';
import type { Credentials } from '../../../src/simulator/credentials.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../../src/simulator/server.ts';
import { createWorld } from '../../../src/simulator/world.ts';
import { runCommand } from '../run-command.ts';
import { cloneTemplate, createTestDatabase } from '../database/test-database.ts';

export const ACCOUNT = '0123456789abcdef0123456789abcdef';
export const OTHER_ACCOUNT = 'fedcba9876543210fedcba9876543210';
export const AUTH: Credentials = {
  token: 'a-token-nobody-may-see',
  email: 'admin@example.com',
  key: 'a-key-nobody-may-see',
};

export type Line = { check: string; status: string; account_id?: string; found: string; mend?: string };
export type Diagnosis = {
  code: number;
  lines: Line[];
  /** The only line of a check. */
  line(check: string): Line;
  stdout: string;
  stderr: string;
};

export type Patient = {
  simulator: Simulator;
  databaseUrl: string;
  /** An empty folder; `.env` is read from it. */
  folder: string;
  env: Record<string, string>;
  sql(text: string, values?: unknown[]): Promise<void>;
  sync(env?: Record<string, string>): Promise<void>;
  /** An empty variable counts as unset. */
  doctor(env?: Record<string, string>, args?: readonly string[]): Promise<Diagnosis>;
};

const world = createWorld({
  seed: 5,
  users: 120,
  start: new Date(Date.now() - 40 * 86_400_000),
  days: Number.POSITIVE_INFINITY,
});

export async function patient(
  t: TestContext,
  options: { auth?: Partial<Credentials>; synced?: boolean } & Partial<
    Pick<SimulatorOptions, 'rateLimit' | 'worlds' | 'accountIds'>
  > = {},
): Promise<Patient> {
  const { auth, synced = true, ...rest } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-doctor-'));
  const database = await (synced ? cloneTemplate() : createTestDatabase());
  // The world stands still: these tests are not about changes between two questions.
  const now = new Date();
  const simulator = await startSimulator({
    worlds: world,
    now: () => now,
    auth: { ...AUTH, ...auth },
    ...rest,
  });
  t.after(async () => {
    await simulator.close();
    await database.drop();
    await rm(folder, { recursive: true });
  });
  const env = {
    CLOUDFLARE_BASE_URL: simulator.url,
    CLOUDFLARE_ALLOW_INSECURE: '1',
    CLOUDFLARE_API_TOKEN: AUTH.token,
    CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
    DATABASE_URL: database.url,
    LOG_LEVEL: 'error',
  };
  const self: Patient = {
    simulator,
    databaseUrl: database.url,
    folder,
    env,
    async sql(text, values) {
      const client = new Client({ connectionString: database.url });
      await client.connect();
      try {
        await client.query(text, values);
      } finally {
        await client.end();
      }
    },
    async sync(more = {}) {
      const { code, stderr } = await runCommand(['sync'], { ...env, ...more }, folder);
      assert.equal(code, 0, stderr);
    },
    async doctor(more = {}, args = []) {
      const said = await runCommand(['doctor', '--json', ...args], { ...env, ...more }, folder);
      assertDiscreet(said);
      const lines = JSON.parse(said.stdout === '' ? '[]' : said.stdout) as Line[];
      const line = (check: string) => {
        const own = lines.filter((l) => l.check === check);
        assert.equal(own.length, 1, `${check}: ${JSON.stringify(own)}`);
        return own[0]!;
      };
      return { ...said, lines, line };
    },
  };
  if (synced) await self.sync();
  return self;
}

/** The output holds no secret, no email, and no name of a user. */
export function assertDiscreet({ stdout, stderr }: { stdout: string; stderr: string }): void {
  const said = stdout + stderr;
  assert.ok(!said.includes(AUTH.token) && !said.includes(AUTH.key), 'a secret was printed');
  assert.ok(!/[^\s@]+@example\.(com|org)/.test(said), 'an email was printed');
  for (const { name, user_id } of world.at(new Date())) {
    assert.ok(name === null || !said.includes(name), 'the name of a user was printed');
    assert.ok(!said.includes(user_id), 'the id of a user was printed');
  }
}
