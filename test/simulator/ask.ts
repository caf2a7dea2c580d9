// Sends requests to a simulator as a client would, but leaves every field of the answer unchanged.
import { startSimulator } from '../../src/simulator/server.ts';
import type { Simulator, SimulatorOptions } from '../../src/simulator/server.ts';
import { createWorld } from '../../src/simulator/world.ts';
import type { UserRisk } from '../../src/user-risk.ts';

export const ACCOUNT = '0123456789abcdef0123456789abcdef';
export const AUTH = {
  token: 'T0ken-of-the-tests_x',
  email: 'ops@example.com',
  key: 'c2547eb745079dac9320b638f5e2',
};
export const BEARER = { Authorization: `Bearer ${AUTH.token}` };
export const KEY = { 'X-Auth-Email': AUTH.email, 'X-Auth-Key': AUTH.key };
export const START = new Date('2026-03-02T00:00:00Z');
export const NOON = new Date('2026-03-04T12:00:00Z');

export type Body = {
  success: boolean;
  errors: { code: number; message: string }[];
  messages: unknown[];
  result: { users: UserRisk[] } | null;
  result_info?: { count: number; page: number; per_page: number; total_count?: number; total_pages?: number };
};

export type Said = { status: number; headers: Headers; text: string; body: Body };

export const world = createWorld({ seed: 11, users: 230, start: START, days: 90 });

export async function withSimulator(
  options: Partial<SimulatorOptions>,
  use: (simulator: Simulator) => Promise<void>,
): Promise<void> {
  const simulator = await startSimulator({
    worlds: new Map([[ACCOUNT, world]]),
    now: () => NOON,
    auth: AUTH,
    rateLimit: null,
    ...options,
  });
  try {
    await use(simulator);
  } finally {
    await simulator.close();
  }
}

export async function ask(
  simulator: Simulator,
  path: string,
  headers: Record<string, string> = BEARER,
  method = 'GET',
): Promise<Said> {
  const response = await fetch(simulator.url + path, { headers, method });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? JSON.parse(text) : { success: false, errors: [], messages: [], result: null },
  };
}

export function askSummary(simulator: Simulator, query = ''): Promise<Said> {
  return ask(simulator, `/accounts/${ACCOUNT}/zt_risk_scoring/summary${query}`);
}

export function users(said: Said): UserRisk[] {
  if (said.body.result === null) throw new Error(`no result: ${said.status} ${said.text.slice(0, 200)}`);
  return said.body.result.users;
}

/** All pages up to the first empty one; gives up after `limit`. */
export async function walk(simulator: Simulator, perPage: number, limit = 100): Promise<UserRisk[]> {
  const met: UserRisk[] = [];
  for (let page = 1; page <= limit; page += 1) {
    const rows = users(await askSummary(simulator, `?page=${page}&per_page=${perPage}`));
    if (rows.length === 0) break;
    met.push(...rows);
  }
  return met;
}
