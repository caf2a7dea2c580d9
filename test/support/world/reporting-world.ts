// One past, the same in every run except for its date: it ends an hour ago, so that questions about "the last 24 hours"
// have an answer.
import fc from 'fast-check';
import type { Pool } from '../../../src/db/pool.ts';
import { testPool, type MigratedDatabase } from '../database/migrated-database.ts';
import { readerDatabase } from '../database/reader-database.ts';
import { liveThrough, minutesOf, randomPast, type RandomPast } from './random-past.ts';
import type { Past } from '../oracle/reporting/past.ts';
import { startScriptedApi } from '../api/scripted-api.ts';

/** A seed with a world that has an answer to every question. */
const SEED = 9;
const PASSWORD = 'a password';

export type ReportingWorld = {
  database: MigratedDatabase;
  pasts: Past[];
  /** As a member of risk_reader: no personal data. */
  reader: Pool;
  /** As a member of risk_pii_reader. */
  piiReader: Pool;
  close(): Promise<void>;
};

let shared: { world: Promise<ReportingWorld>; users: number } | null = null;

/**
 * One world for all callers in this process, with the seed of the first caller. The last caller to close it ends it.
 */
export async function sharedWorld(seed: number): Promise<ReportingWorld> {
  shared ??= { world: reportingWorld(seed), users: 0 };
  const mine = shared;
  mine.users++;
  const world = await mine.world;
  return {
    ...world,
    async close() {
      if (--mine.users === 0) await world.close();
    },
  };
}

export async function reportingWorld(seed = SEED): Promise<ReportingWorld> {
  let pasts: Past[] = [];
  const database = await readerDatabase(async (empty) => {
    pasts = await livePast(empty, seed);
  });
  const loginIn = async (role: string): Promise<Pool> => {
    const name = `login_in_${role}`;
    await database.pool.query(`create role ${name} login password '${PASSWORD}' in role ${role}`);
    return testPool(Object.assign(new URL(database.url), { username: name, password: PASSWORD }).href);
  };
  const reader = await loginIn('risk_reader');
  const piiReader = await loginIn('risk_pii_reader');
  return {
    database,
    pasts,
    reader,
    piiReader,
    async close() {
      await Promise.all([reader.end(), piiReader.end()]);
      await database.close();
    },
  };
}

async function livePast(database: MigratedDatabase, seed: number): Promise<Past[]> {
  const api = await startScriptedApi();
  try {
    const [{ steps }] = fc.sample(randomPast, { numRuns: 1, seed }) as [{ steps: RandomPast['steps'] }];
    const start = new Date(Math.floor(Date.now() / 60_000 - minutesOf(steps) - 60) * 60_000).toISOString();
    return await liveThrough(database, api, { steps, start, confirm: 'lookup', retiredAfter: 0 });
  } finally {
    await api.close();
  }
}
