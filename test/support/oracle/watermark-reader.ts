// A small warehouse feed: it remembers the highest feed value of each table, asks for rows above it, and keeps the newest
// version of each row. If P4 holds, these rows equal the table.
import assert from 'node:assert/strict';
import type { Pool } from '../../../src/db/pool.ts';
import { CITUS_URL } from '../database/distributed-database.ts';

const KEYS = {
  accounts: "(account_key, '', '')",
  sync_runs: "(account_key, run_id, '')",
  users: "(account_key, user_key, '')",
  user_levels: '(account_key, user_key, valid_from)',
  user_identities: '(account_key, user_key, valid_from)',
  user_activity: '(account_key, user_key, observed_at)',
  snapshots: "(account_key, snapshot_id, '')",
  snapshot_levels: '(account_key, snapshot_id, max_risk_level)',
};
// The tables in which a row is not always written by a snapshot.
const BY_FEED_ID: readonly string[] = ['accounts', 'sync_runs'];
const TABLES = Object.keys(KEYS) as (keyof typeof KEYS)[];

/** What a reader remembers: for each table the highest feed value, and the newest version of each row by its key. */
export type Kept = Readonly<Record<string, { highest: number; rows: [key: string, content: string][] }>>;

export type WatermarkReader = {
  /** Whether anything was new. */
  poll(): Promise<boolean>;
  /** Polls without a pause until `work` has ended. */
  pollDuring<T>(work: Promise<T>): Promise<T>;
  /** Polls once more, and asserts that the collected rows equal the tables. */
  verify(): Promise<void>;
  polls(): number;
  /** For a file: another reader can go on from it. */
  kept(): Kept;
};

/** For one account, or for all. A distributed history has a clock for each account, so it gets a reader for each. */
export function createWatermarkReader(pool: Pool, accountId?: string, kept: Kept = {}): WatermarkReader {
  return CITUS_URL === '' || accountId !== undefined
    ? createReader(pool, accountId, kept)
    : createReaders(pool);
}

function createReaders(pool: Pool): WatermarkReader {
  const readers = new Map<string, WatermarkReader>();
  const all = async <T>(ask: (reader: WatermarkReader) => Promise<T>): Promise<T[]> => {
    const { rows } = await pool.query<{ id: string }>('select account_id as id from risk.accounts');
    for (const { id } of rows) if (!readers.has(id)) readers.set(id, createReader(pool, id, {}));
    const answers: T[] = [];
    for (const reader of readers.values()) answers.push(await ask(reader));
    return answers;
  };
  const poll = async () => (await all((reader) => reader.poll())).includes(true);
  return {
    poll,
    pollDuring: (work) => pollUntil(work, poll),
    verify: async () => void (await all((reader) => reader.verify())),
    polls: () => Math.max(0, ...[...readers.values()].map((reader) => reader.polls())),
    kept: () => {
      throw new Error('a reader of a distributed history cannot be kept');
    },
  };
}

async function pollUntil<T>(work: Promise<T>, poll: () => Promise<boolean>): Promise<T> {
  let over = false;
  const ended = work.finally(() => (over = true));
  // The caller who awaits `ended` below gets the failure. Until then it must not count as unhandled.
  ended.catch(() => undefined);
  while (!over) await poll();
  return ended;
}

function createReader(pool: Pool, accountId: string | undefined, kept: Kept): WatermarkReader {
  const copies = new Map(
    TABLES.map((table) => [
      table,
      { highest: kept[table]?.highest ?? 0, rows: new Map<string, string>(kept[table]?.rows) },
    ]),
  );
  let polls = 0;

  async function poll(): Promise<boolean> {
    polls++;
    let isNew = false;
    for (const [table, copy] of copies) {
      for (const row of await read(table, copy.highest)) {
        isNew = true;
        copy.rows.set(row.key, row.content);
        copy.highest = Math.max(copy.highest, Number(row.stamp));
      }
    }
    return isNew;
  }

  async function read(table: keyof typeof KEYS, above: number) {
    const stamp = BY_FEED_ID.includes(table) ? 'feed_id' : 'snapshot_id';
    const { rows } = await pool.query<{ key: string; content: string; stamp: string }>(
      `select (${KEYS[table]})::text as key, t::text as content, t.${stamp} as stamp from risk.${table} t
         join risk.accounts a using (account_key) where t.${stamp} > $1 and ($2::text is null or a.account_id = $2)`,
      [above, accountId ?? null],
    );
    return rows;
  }

  return {
    poll,
    pollDuring: (work) => pollUntil(work, poll),
    async verify() {
      await poll();
      for (const [table, copy] of copies) {
        const truth = new Map((await read(table, 0)).map((row) => [row.key, row.content]));
        assert.deepEqual(copy.rows, truth, `a reader by watermark has missed something in ${table}`);
      }
    },
    polls: () => polls,
    kept: () =>
      Object.fromEntries(
        [...copies].map(([table, { highest, rows }]) => [table, { highest, rows: [...rows] }]),
      ),
  };
}
