// A random world that went through the real walk and publish, and the commands that are asked about it. The world has
// gaps, partial snapshots, returns, a retired account and clock changes.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { runCommand } from '../run-command.ts';
import { migratedDatabase } from '../database/migrated-database.ts';
import type { SnapshotRecord } from '../oracle/oracle.ts';
import { circumstances, liveThrough, randomPast } from '../world/random-past.ts';
import type { Past, Row } from '../oracle/reporting/past.ts';
import { startScriptedApi } from '../api/scripted-api.ts';

const SEED = fc.readConfigureGlobal().seed ?? 20261123;
export const ZONE = 'Europe/Berlin';
export const LEVELS = ['high', 'medium', 'low'];

export type LivedPasts = Awaited<ReturnType<typeof livePasts>>;

export async function livePasts() {
  const db = await migratedDatabase();
  const api = await startScriptedApi();
  let pasts: Past[];
  try {
    const [random] = fc.sample(randomPast, { seed: SEED, numRuns: 1 });
    pasts = await liveThrough(db, api, { ...random!, ...circumstances(0) });
  } finally {
    await api.close();
  }
  return {
    pasts,
    /** The account with the most snapshots; it is not the retired one. */
    main: pasts
      .filter(({ retiredAt }) => retiredAt === null)
      .toSorted((a, b) => snapshotsOf(b).length - snapshotsOf(a).length)[0]!,
    cli: (args: readonly string[], env: Record<string, string> = {}) =>
      runCommand(args, { DATABASE_URL: db.url, ...env }),
    async ask(...args: string[]): Promise<Row[]> {
      const env = { DATABASE_URL: db.url, SYNC_TIMEZONE: ZONE };
      const result = await runCommand([...args, '--format', 'json'], env);
      assert.equal(result.code, 0, result.stderr);
      return JSON.parse(result.stdout) as Row[];
    },
    close: () => db.close(),
  };
}

export const iso = (micros: bigint) => new Date(Number(micros / 1000n)).toISOString();
export const byId = (rows: Row[]) =>
  rows.toSorted((a, b) => (String(a['user_id']) < String(b['user_id']) ? -1 : 1));
export const pick = (row: Row, names: string[]) => Object.fromEntries(names.map((name) => [name, row[name]]));
export const countOf = ({ state }: SnapshotRecord, level: string) =>
  [...state.values()].filter((user) => user.level === level).length;
export const snapshotsOf = ({ oracle }: Past) => oracle.snapshots;
