// `rejected list|show|recheck` in its own process, over a real database.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RAW_MAX_LENGTH } from '../../src/cloudflare/endpoints/summary/record.ts';
import { type CliResult } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { uuidOf } from '../support/world/random-world.ts';
import { sampleHistory } from '../support/database/sample-history.ts';

const ONE = '1'.repeat(32);
const TWO = '2'.repeat(32);
const HASHES = {
  acceptable: `aaaa1111${'0'.repeat(56)}`,
  // The first 12 digits are equal.
  bad: `bbbb2222cccc${'1'.repeat(52)}`,
  cut: `bbbb2222cccc${'2'.repeat(52)}`,
  gone: `dddd3333${'0'.repeat(56)}`,
  everywhere: `eeee4444${'0'.repeat(56)}`,
};

const served = {
  user_id: uuidOf('ada'),
  email: 'ada@example.com',
  name: '\u001b[31mAda\u202e',
  max_risk_level: 'low',
  event_count: 3,
  last_event: '2026-01-01T09:00:00Z',
};

let db: MigratedDatabase;

before(async () => {
  db = await migratedDatabase();
  const sample = sampleHistory(db.pool);
  const [one, two] = [await sample.account(ONE), await sample.account(TWO)];
  const first = await sample.snapshot(one, '2026-01-01T10:00:00Z');
  const last = await sample.snapshot(one, '2026-01-01T11:00:00Z', {
    verdict: 'partial',
    evidence: { rejected_not_kept: { 'email: not text': 3, 'max_risk_level: unknown level': 90_000 } },
  });
  const other = await sample.snapshot(two, '2026-01-01T11:30:00Z');
  const record = {
    account_key: one,
    last_run_id: last,
    first_run_id: first,
    last_seen_at: '2026-01-01T11:00:00Z',
  };
  const bad = { ...served, max_risk_level: 'critical' };
  await sample.rejected({
    ...record,
    record_hash: HASHES.acceptable,
    user_id: uuidOf('ada'),
    raw: JSON.stringify(served),
  });
  await sample.rejected({
    ...record,
    record_hash: HASHES.bad,
    user_id: uuidOf('bob'),
    raw: JSON.stringify(bad),
  });
  await sample.rejected({
    ...record,
    record_hash: HASHES.cut,
    reason: 'name: longer than 10000 characters; user_id: not a uuid',
    raw: JSON.stringify({ ...served, name: 'x'.repeat(10_001) }).slice(0, RAW_MAX_LENGTH),
  });
  await sample.rejected({ ...record, record_hash: HASHES.gone, last_run_id: first, raw: '[not JSON]' });
  for (const account_key of [one, two])
    await sample.rejected({ account_key, last_run_id: other, record_hash: HASHES.everywhere, raw: '[]' });
});

after(() => db.close());

const cli = (...args: string[]): Promise<CliResult> =>
  runCommand(['rejected', ...args], { DATABASE_URL: db.url });

function rowsOf(result: CliResult): Record<string, unknown>[] {
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as Record<string, unknown>[];
}

function assertFits(text: string): void {
  for (const line of text.split('\n')) assert.ok(line.length <= 80, `${line.length} columns: ${line}`);
}

function assertNothingPersonal(result: CliResult): void {
  assert.doesNotMatch(`${result.stdout}${result.stderr}`, /@|Ada/);
}

describe('rejected list', () => {
  it('shows the waiting records by account, without their contents', async () => {
    const result = await cli();
    assert.equal(result.code, 0, result.stderr);
    assertFits(result.stdout);
    assertNothingPersonal(result);
    assert.match(result.stdout, new RegExp(`^account ${ONE}\n\naaaa1111  max_risk_level: unknown level\n`));
    assert.match(
      result.stdout,
      new RegExp(
        `^ {10}user ${uuidOf('ada')}\n {10}2026-01-01 10:00 \\(run 1\\) to 2026-01-01 11:00 UTC \\(run 2\\)$`,
        'm',
      ),
    );
    assert.match(
      result.stdout,
      /^bbbb2222cccc2222  name: longer than 10000 characters; user_id: not a uuid\n {18}user cannot be read$/m,
    );
    assert.match(result.stdout, /^5 rejected records waiting\.$/m);
    assert.doesNotMatch(result.stdout, /dddd3333/);
    const said = result.stdout.replaceAll('\n  ', ' ');
    assert.match(
      said,
      new RegExp(
        `account ${ONE}: 90,000 more records only counted, their text is not kept \\(max_risk_level: unknown level\\)\naccount ${ONE}: 3 more records only counted, their text is not kept \\(email: not text\\)\n$`,
      ),
    );
  });

  it('also shows records that are no longer met with --all', async () => {
    assert.match((await cli('list', '--all')).stdout, /^dddd3333 [^]*?, no longer met$/m);
    const rows = rowsOf(await cli('list', '--all', '--format', 'json'));
    assert.deepEqual(
      rows.filter((row) => row['waiting'] === false).map((row) => row['id']),
      ['dddd3333'],
    );
  });

  it('can be limited with --account and --limit, and says how many records it leaves out', async () => {
    assert.deepEqual(
      rowsOf(await cli('list', '--account', TWO, '--format', 'json')).map((row) => row['account_id']),
      [TWO],
    );
    const limited = await cli('list', '--limit', '2');
    assert.match(limited.stdout, /^5 rejected records waiting, 2 of them shown \(--limit\)\.$/m);
    const unknown = await cli('list', '--account', '9'.repeat(32));
    assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
    assert.match(unknown.stderr, /^error ACCOUNT_UNKNOWN: There is no account "9{32}"/);
  });

  it('shows times in the requested zone', async () => {
    const { stdout } = await cli('list', '--timezone', 'Asia/Tokyo');
    assert.match(stdout, /^ {10}2026-01-01 19:00 \(run 1\) to 2026-01-01 20:00 \+09:00 \(run 2\)$/m);
  });

  it('has the same columns in JSON and CSV', async () => {
    const columns = [
      'account_id',
      'id',
      'user_id',
      'reason',
      'first_seen_at',
      'last_seen_at',
      'first_run_id',
      'last_run_id',
      'waiting',
    ];
    const rows = rowsOf(await cli('list', '--format', 'json'));
    assert.deepEqual(Object.keys(rows[0] ?? {}), columns);
    assert.deepEqual(rows[0], {
      account_id: ONE,
      id: 'aaaa1111',
      user_id: uuidOf('ada'),
      reason: 'max_risk_level: unknown level',
      first_seen_at: '2026-01-01T10:00:00.000Z',
      last_seen_at: '2026-01-01T11:00:00.000Z',
      first_run_id: 1,
      last_run_id: 2,
      waiting: true,
    });
    const csv = (await cli('list', '--all', '--format', 'csv')).stdout.split('\n');
    assert.equal(csv[0], columns.join(','));
    assert.ok(
      csv.some((line) => line.endsWith(',1,1,false')),
      csv.join('\n'),
    );
  });
});

describe('rejected show', () => {
  it('finds a record by the beginning of its id, and does not print its contents', async () => {
    const result = await cli('show', 'AAAA');
    assert.equal(result.code, 0, result.stderr);
    assertFits(result.stdout);
    assertNothingPersonal(result);
    assert.match(result.stdout, new RegExp(`^record   ${HASHES.acceptable}$`, 'm'));
    assert.match(result.stdout, /holds personal data: add --raw/);
    const [json] = rowsOf(await cli('show', 'aaaa', '--format', 'json'));
    assert.equal(json?.['record_hash'], HASHES.acceptable);
    assert.ok(!('raw' in (json ?? {})));
  });

  it('prints the contents last with --raw, escaped for the terminal', async () => {
    const { stdout } = await cli('show', 'aaaa', '--raw');
    assert.match(stdout.trimEnd().split('\n').at(-1) ?? '', /^\{"user_id":.*ada@example\.com.*\}$/);
    assert.ok(!stdout.includes('\u001b') && !stdout.includes('\u202e'));
    assert.match((await cli('show', 'bbbb2222cccc2', '--raw')).stdout, /^As served, cut at the length/m);
    const [json] = rowsOf(await cli('show', 'aaaa', '--raw', '--format', 'json'));
    assert.equal(json?.['raw'], JSON.stringify(served));
  });

  it('says when no record, several records, or several accounts match', async () => {
    for (const id of ['1234', 'ada@example.com', `${HASHES.bad}0`, '%']) {
      const none = await cli('show', id);
      assert.equal(none.code, 1);
      assert.match(none.stderr, /^error RECORD_NOT_FOUND/);
      assertNothingPersonal(none);
    }
    const several = await cli('show', 'bbbb2222');
    assert.equal(several.code, 1);
    assert.match(
      several.stderr,
      /^error RECORD_AMBIGUOUS: 2 rejected records .*bbbb2222cccc1111, bbbb2222cccc2222/,
    );
    const everywhere = await cli('show', 'eeee4444');
    assert.match(
      everywhere.stderr,
      new RegExp(`^error RECORD_AMBIGUOUS: 2 accounts have this record: ${ONE}, ${TWO}`),
    );
    assert.equal((await cli('show', 'eeee4444', '--account', TWO)).code, 0);
  });
});

describe('rejected recheck', () => {
  it('says which records this version accepts, rejects or cannot judge, and changes nothing', async () => {
    const state = () =>
      db.rows(`select ctid::text, xmin::text, xmax::text from risk_internal.rejected_records
        union all select ctid::text, xmin::text, xmax::text from risk.users order by 1`);
    const before_ = await state();
    const result = await cli('recheck');
    assert.equal(result.code, 0, result.stderr);
    assertFits(result.stdout);
    assertNothingPersonal(result);
    assert.match(result.stdout, /^aaaa1111  would be accepted$/m);
    assert.match(result.stdout, /^bbbb2222cccc1111  still rejected: max_risk_level: unknown level$/m);
    assert.match(result.stdout, /^bbbb2222cccc2222  unknown: the record was cut at 4,096 characters$/m);
    assert.match(result.stdout, /accept 1 of them: the next sync\s+adds them\./);
    assert.deepEqual(await state(), before_);
  });

  it('gives the same answer as JSON', async () => {
    const rows = rowsOf(await cli('recheck', '--format', 'json'));
    assert.deepEqual(
      rows.map((row) => [row['id'], row['outcome'], row['reason']]),
      [
        ['aaaa1111', 'accepted', null],
        ['bbbb2222cccc1111', 'rejected', 'max_risk_level: unknown level'],
        ['bbbb2222cccc2222', 'unknown', 'the record was cut at 4,096 characters'],
        ['eeee4444', 'rejected', 'record: not an object'],
        ['eeee4444', 'rejected', 'record: not an object'],
      ],
    );
    const csv = (await cli('recheck', '--format', 'csv')).stdout;
    assert.match(csv, /^account_id,id,user_id,outcome,reason,rejected_because\n/);
  });
});

describe('rejected list without a kept record', () => {
  let own: MigratedDatabase;
  before(async () => {
    own = await migratedDatabase();
  });
  after(() => own.close());
  const list = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCommand(['rejected', 'list', ...args], {
      DATABASE_URL: own.url,
    });
    assert.equal(code, 0, stderr);
    return stdout;
  };

  it('says that no record waits, and with --all that none was ever rejected; as JSON the list is empty', async () => {
    assert.equal(await list(), 'No rejected records are waiting.\n');
    assert.equal(await list('--all'), 'No record was ever rejected.\n');
    assert.deepEqual(JSON.parse(await list('--json')), []);
  });

  it('reports the records that were only counted, and no others', async () => {
    const sample = sampleHistory(own.pool);
    await sample.snapshot(await sample.account(ONE), '2026-01-01T10:00:00Z', {
      evidence: { rejected_not_kept: { 'email: not text': 3 } },
    });
    assert.equal(
      (await list()).replace(/\s+/g, ' ').trim(),
      `account ${ONE}: 3 more records only counted, their text is not kept (email: not text)`,
    );
    assert.match(await list('--account', ONE), /3 more records/);
  });

  it('counts records that begin with the same digits up to ten, and names no more', async () => {
    const sample = sampleHistory(own.pool);
    const account = await sample.account(TWO);
    const add = (n: number) =>
      sample.rejected({
        account_key: account,
        last_run_id: 1,
        raw: '{}',
        record_hash: `ffff${n.toString(16).padStart(4, '0')}${'0'.repeat(56)}`,
      });
    const show = async () =>
      (await runCommand(['rejected', 'show', 'ffff'], { DATABASE_URL: own.url })).stderr;
    for (let n = 1; n <= 9; n++) await add(n);
    assert.match(
      await show(),
      /^error RECORD_AMBIGUOUS: 9 rejected records begin with these digits: ffff000100000000, /,
    );
    for (let n = 10; n <= 12; n++) await add(n);
    const many = await show();
    assert.match(many, /^error RECORD_AMBIGUOUS: 10 or more rejected records begin with these digits: /);
    assert.equal(many.match(/ffff00/g)?.length, 10);
  });

  it('shows that a record is no longer met', async () => {
    const { stdout } = await cli('show', 'dddd3333');
    assert.match(stdout, /^waiting +no: it is no longer met$/m);
  });
});
