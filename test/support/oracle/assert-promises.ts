// Checks the promises P1 to P9 of one account after any event. It checks the present history, then makes two more syncs
// of the world, without faults or changes. It knows the contract's tables, but none of the code.
import assert, { AssertionError } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from '../../../src/db/pool.ts';
import type { OperatorError } from '../../../src/errors.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { HISTORY_DEFECTS } from './history-defects.ts';
import { rowsOfHistory } from '../database/rows-of-history.ts';
import { wholeness } from './wholeness.ts';
import type { WatermarkReader } from './watermark-reader.ts';
import { RECORD_COLUMNS, recordText } from '../database/record-columns.ts';

export type SnapshotTruth = {
  /** Every user of the snapshot, as readers must always see them. */
  state: readonly UserRisk[];
  /** Users who had a level from the snapshot's instant to its publish: clearing one of them is wrong. */
  present: ReadonlySet<string>;
};

export type AccountUnderTest = {
  pool: Pool;
  /** The pools that the syncs used. */
  pools: readonly Pool[];
  accountId: string;
  /** The truth of every snapshot published so far. Those of the two further syncs are added. */
  truth: Map<number, SnapshotTruth>;
  /** The world from now on. */
  world: readonly UserRisk[];
  /** One sync without any fault or manual step. */
  sync(): Promise<{ error: OperatorError | null; snapshotId: number | null }>;
  /** A reader that has polled since before the first sync. */
  reader: Pick<WatermarkReader, 'verify'>;
  /** Everything that was logged, and the texts of errors. */
  logs: readonly string[];
  secrets: readonly string[];
};

/** Throws one AssertionError that names every broken promise, and how it is broken. */
export async function assertPromises(account: AccountUnderTest): Promise<void> {
  const broken: string[] = [];
  const { truth } = account;
  const check = (promise: string, problems: readonly string[]) =>
    broken.push(...problems.map((problem) => `${promise}: ${problem}`));

  for (const turn of ['the next sync', 'one more sync of the same world'] as const) {
    const before = await rowsOfHistory(account.pool, account.accountId);
    const { error, snapshotId } = await account.sync();
    if (error !== null) check('P7', [`${turn} fails: ${error.code}`]);
    if (error === null && snapshotId === null) check('P7', [`${turn} publishes nothing`]);
    if (snapshotId !== null)
      truth.set(snapshotId, {
        state: account.world,
        present: new Set(account.world.map((user) => user.user_id)),
      });
    if (turn === 'the next sync') continue;
    const after = await rowsOfHistory(account.pool, account.accountId);
    check(
      'P5',
      Object.keys(after).flatMap((name) =>
        isSame(before[name], after[name]) ? [] : [`${turn} touches ${name}`],
      ),
    );
  }
  check('P1', await wholeness(account.pool, account.accountId));
  check('P2', await falseClears(account, truth));
  check('P3', await inexactness(account, truth));
  check('P4', await disorder(account));
  check('P6', await leftovers(account));
  check('P8', indiscretions(account, truth, await recordedTexts(account)));
  check('P9', await unbounded(account));
  if (broken.length > 0) throw new AssertionError({ message: broken.join('\n') });
}

type Row = Record<string, unknown>;

async function ask({ pool, accountId }: AccountUnderTest, text: string, ...more: unknown[]): Promise<Row[]> {
  return (await pool.query<Row>(text, [accountId, ...more])).rows;
}

const ACCOUNT = 'join risk.accounts a using (account_key) where a.account_id = $1';

async function falseClears(
  account: AccountUnderTest,
  truth: ReadonlyMap<number, SnapshotTruth>,
): Promise<string[]> {
  const cleared = await ask(
    account,
    `select p.snapshot_id::integer as snapshot, u.user_id from risk.user_levels p join risk.users u using (account_key, user_key)
     ${ACCOUNT} and p.end_reason in ('reset', 'absent')`,
  );
  return cleared.flatMap(({ snapshot, user_id }) =>
    truth.get(Number(snapshot))?.present.has(String(user_id)) === false
      ? []
      : [`user ${String(user_id)} was cleared by snapshot ${String(snapshot)} without having gone`],
  );
}

async function inexactness(
  account: AccountUnderTest,
  truth: ReadonlyMap<number, SnapshotTruth>,
): Promise<string[]> {
  const published = await ask(
    account,
    `select snapshot_id::integer as id from risk.snapshots ${ACCOUNT} order by 1`,
  );
  const problems: string[] = [];
  const ids = published.map(({ id }) => Number(id));
  for (const id of ids.filter((id) => !truth.has(id))) problems.push(`snapshot ${id} was published unasked`);
  for (const [id, { state }] of truth) {
    if (!ids.includes(id)) {
      problems.push(`snapshot ${id} is gone`);
      continue;
    }
    const rebuilt = await rebuild(account.pool, id, account.accountId);
    const wanted = state.map(recordText).toSorted();
    const found = rebuilt.map(recordText).toSorted();
    if (isSame(found, wanted)) continue;
    // Without their values: user ids are enough to investigate.
    const idOf = (text: string) => (JSON.parse(text) as string[])[0] ?? '';
    const wrong = [...found.filter((r) => !wanted.includes(r)), ...wanted.filter((r) => !found.includes(r))];
    const users = [...new Set(wrong.map(idOf))];
    problems.push(
      `snapshot ${id} rebuilt is not the truth for ${users.length} users, such as ${users.slice(0, 3).join(', ')}`,
    );
  }
  return problems;
}

/** A snapshot as readers see it, with the API's field names. Without an account, its id is that of one account alone. */
export async function rebuild(pool: Pool, snapshotId: number, accountId?: string): Promise<UserRisk[]> {
  const { rows } = await pool.query<UserRisk>(
    `select ${RECORD_COLUMNS}
       from risk_bi.snapshot_users(${accountId === undefined ? '' : '$2, '}$1) order by user_id`,
    accountId === undefined ? [snapshotId] : [snapshotId, accountId],
  );
  return rows;
}

async function disorder(account: AccountUnderTest): Promise<string[]> {
  const problems: string[] = [];
  const query = HISTORY_DEFECTS['snapshots whose order by id is not their order by time'] ?? assert.fail();
  if ((await ask(account, `select from (${query}) d ${ACCOUNT} limit 1`)).length > 0)
    problems.push('snapshot ids do not rise with observed_at');
  await account.reader.verify().catch((error: unknown) => {
    if (!(error instanceof AssertionError)) throw error;
    problems.push(error.message.split('\n')[0] ?? '');
  });
  return problems;
}

async function leftovers(account: AccountUnderTest): Promise<string[]> {
  const rows = await ask(
    account,
    `select 'a lease is left over' as problem from risk_internal.leases ${ACCOUNT}
     union all select distinct 'staged changes are left over' from risk_internal.staged_changes ${ACCOUNT}
     union all select distinct 'staged rejected records are left over' from risk_internal.staged_rejected ${ACCOUNT}
     union all select 'slot ' || scheduled_for || ' succeeded ' || count(*) || ' times' from risk.sync_runs ${ACCOUNT}
        and status = 'succeeded' and scheduled_for is not null group by scheduled_for having count(*) > 1`,
  );
  return rows.map(({ problem }) => String(problem));
}

async function recordedTexts(account: AccountUnderTest): Promise<string[]> {
  const rows = await ask(
    account,
    `select error_message, evidence::text as evidence from risk.sync_runs r ${ACCOUNT}`,
  );
  return rows.flatMap(({ error_message, evidence }) => [String(error_message), String(evidence)]);
}

function indiscretions(
  account: AccountUnderTest,
  truth: ReadonlyMap<number, SnapshotTruth>,
  recorded: readonly string[],
): string[] {
  const said = [...account.logs, ...recorded].join('\n').toLowerCase();
  const people = new Map(
    [...truth.values()].flatMap(({ state }) => state.map((user) => [user.user_id, user])),
  );
  const found = new Set<string>();
  const look = (what: string, text: string | null) => {
    if (text !== null && text !== '' && said.includes(text.toLowerCase()))
      found.add(`${what} is in a log or an error`);
  };
  for (const secret of account.secrets) look('a secret', secret);
  for (const { email, name } of people.values()) {
    look('an email', email);
    look('a name', name);
  }
  return [...found];
}

async function unbounded({ pools, pool }: AccountUnderTest): Promise<string[]> {
  const problems: string[] = [];
  for (const used of new Set([...pools, pool])) {
    const max = used.options.max ?? 10;
    // A heartbeat may still be under way.
    for (let look = 0; look < 50 && used.idleCount < used.totalCount; look++) await sleep(20);
    if (used.totalCount > max) problems.push(`${used.totalCount} connections, of ${max}`);
    if (used.idleCount < used.totalCount) problems.push('connections were not given back to the pool');
    if (used.waitingCount > 0) problems.push('a caller still waits for a connection');
  }
  const { rows } = await pool.query<{ rows: number }>(
    `select count(*)::integer as rows from risk_internal.staged_changes`,
  );
  if ((rows[0]?.rows ?? 0) > 0) problems.push(`${rows[0]?.rows} rows have gathered in staging`);
  return problems;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
