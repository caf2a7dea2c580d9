// PII_MODE=pseudonymous and none: no email and no name ever reaches the database, whatever happens. After each step, all
// files of the server are searched: tables with their dead rows, staged rows, WAL and log. So are all outputs and files
// of the commands.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test, type TestContext } from 'node:test';
import { testPool } from '../../support/database/migrated-database.ts';
import {
  startTalkativeServer,
  type TalkativeServer,
} from '../../support/database/servers/talkative-server.ts';
import { runCommand } from '../../support/run-command.ts';
import { listen } from '../../support/api/api-server.ts';
import { uuidOf } from '../../support/world/random-world.ts';
import type { CliResult } from '../../support/cli.ts';

const KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => (n * 29 + 17) % 256)).toString('base64');
/** In every email and name of this file, and nowhere else. */
const MARKS = ['quirinia', 'zephyrantha'];

type Record = { [field: string]: unknown };

let server: TalkativeServer;
let folder: string;
before(async () => {
  server = await startTalkativeServer(18);
  folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-pii-'));
});
after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

/** The files of the server that hold a mark, and what else was searched. */
async function filesWithMarks(): Promise<string[]> {
  const pool = testPool(server.url);
  try {
    // Everything that is in memory is written into the files.
    await pool.query('checkpoint');
  } finally {
    await pool.end();
  }
  const patterns = MARKS.flatMap((mark) => ['-e', mark]);
  const grep = spawn('grep', ['-rlaiF', ...patterns, server.cluster, `${server.cluster}.log`], {
    // Four times as fast as with the letters of a language.
    env: { ...process.env, LC_ALL: 'C' },
  });
  const [found] = await Promise.all([text(grep.stdout), once(grep, 'close')]);
  return found.split('\n').filter((name) => name !== '');
}

const isMarked = (said: string) => MARKS.some((mark) => said.toLowerCase().includes(mark));

const personOf = (n: number, version = ''): Record => ({
  user_id: uuidOf(`held ${n}`),
  email: `quirinia${n}${version}@example.com`,
  name: `Zephyrantha ${n}${version}`,
  max_risk_level: 'low',
  event_count: 1,
  last_event: '2026-01-01T00:00:00Z',
});

/** An API that serves these records, and the own record of every user. */
async function serve(t: TestContext, world: { records: Record[] }): Promise<string> {
  const url = await listen(t, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api');
    const per = Number(searchParams.get('per_page') ?? 50);
    const from = (Number(searchParams.get('page') ?? 1) - 1) * per;
    const one = world.records.find(({ user_id: id }) => pathname.endsWith(`/${String(id)}`));
    const result = pathname.endsWith('/summary')
      ? { users: world.records.slice(from, from + per) }
      : one && { ...one, risk_level: one['max_risk_level'], events: [] };
    response.writeHead(result === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        success: result !== undefined,
        errors: result === undefined ? [{ code: 1001, message: 'no such user' }] : [],
        messages: [],
        result: result ?? null,
        result_info: { page: 1, per_page: per, total_count: world.records.length },
      }),
    );
  });
  return url.href;
}

for (const mode of ['pseudonymous', 'none'] as const) {
  test(`${mode}: emails and names are in no file of the server, in no output and in no file of a command, after every step`, async (t) => {
    const world = { records: Array.from({ length: 60 }, (_, n) => personOf(n)) };
    const env = {
      DATABASE_URL: server.url,
      CLOUDFLARE_BASE_URL: await serve(t, world),
      CLOUDFLARE_ALLOW_INSECURE: '1',
      CLOUDFLARE_API_TOKEN: 'never-held-token',
      CLOUDFLARE_ACCOUNT_ID: `account-${mode}`,
      LOG_LEVEL: 'trace',
      PII_MODE: mode,
      PII_KEY: KEY,
    };
    async function step(code: number, ...args: string[]): Promise<CliResult> {
      const result = await runCommand(args, env);
      assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
      assert.ok(!isMarked(result.stdout + result.stderr), `${args[0]}: an email or a name is in the output`);
      assert.deepEqual(await filesWithMarks(), [], `after ${args.join(' ')}`);
      return result;
    }
    await step(0, 'sync');
    world.records = world.records.map((_, n) => personOf(n, n % 2 === 0 ? 'married' : ''));
    await step(0, 'sync');
    world.records.push(
      { ...personOf(70), user_id: 'Zephyrantha' },
      { ...personOf(3), event_count: 'Quirinia' },
      { ...personOf(71), max_risk_level: 'zephyrantha' },
      { ...personOf(72), email: { at: 'quirinia@example.com' }, alias: 'Zephyrantha' },
    );
    await step(0, 'sync', '--dry-run');
    await step(0, 'sync');
    world.records.splice(0, 20);
    await step(0, 'sync');
    world.records.splice(0, world.records.length, { user_id: 'Quirinia', email: 'quirinia@example.com' });
    await step(1, 'sync');
    const rejected = await step(0, 'rejected', 'list', '--all', '--json');
    const { id } = (JSON.parse(rejected.stdout) as { id: string }[])[0]!;
    await step(0, 'rejected', 'show', id, '--raw', '--account', env.CLOUDFLARE_ACCOUNT_ID);
    await step(0, 'rejected', 'recheck');

    const saved = path.join(folder, `${mode}-2026-01-05T00-00-00Z.json`);
    const page = { success: true, errors: [], messages: [], result: { users: [personOf(1), personOf(2)] } };
    await writeFile(saved, JSON.stringify({ ...page, result_info: { total_count: 2 } }));
    await step(
      0,
      'import',
      '--account',
      `${mode === 'none' ? 'a' : 'b'}${'0'.repeat(31)}`,
      '--at',
      '2026-01-05T00:00:00Z',
      saved,
    );

    const found = mode === 'pseudonymous' ? 0 : 1;
    await step(found, 'history', 'Quirinia30married@example.com', '--identities');
    await step(0, 'users', '--identities', '--search', 'Zephyrantha 31', '--json');
    await step(0, 'export', 'all', '--identities', '--format', 'ndjson', '--out', path.join(folder, mode));
    await step(found, 'person', 'Quirinia30married@example.com', '--out', path.join(folder, `${mode}.json`));
    await step(0, 'privacy');
    await step(found, 'erase', 'quirinia30married@example.com');
    await step(0, 'privacy', 'apply');
    const files = spawn('grep', ['-rlaiF', ...MARKS.flatMap((mark) => ['-e', mark]), folder]);
    assert.deepEqual(
      (await text(files.stdout))
        .split('\n')
        .filter((name) => name !== '' && name !== saved && !name.includes('2026-01-05')),
      [],
    );
    const exported = await readFile(path.join(folder, mode, 'identities.ndjson'), 'utf8').catch(() => '');
    if (mode === 'pseudonymous') assert.match(exported, /hmac-sha256:/);
  });
}

test('the search finds what is held in full: without that, the other tests would prove nothing', async (t) => {
  const world = { records: [personOf(1)] };
  const env = {
    DATABASE_URL: server.url,
    CLOUDFLARE_BASE_URL: await serve(t, world),
    CLOUDFLARE_ALLOW_INSECURE: '1',
    CLOUDFLARE_API_TOKEN: 'never-held-token',
    CLOUDFLARE_ACCOUNT_ID: 'account-full',
  };
  assert.equal((await runCommand(['sync'], env)).code, 0);
  const found = await filesWithMarks();
  assert.ok(
    found.some((name) => name.includes('/base/')),
    'in a table',
  );
  assert.ok(
    found.some((name) => name.includes('/pg_wal/')),
    'in the WAL',
  );
  assert.ok(
    found.every((name) => !name.endsWith('.log')),
    'not in the log',
  );
});
