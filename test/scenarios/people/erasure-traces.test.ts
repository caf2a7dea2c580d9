// Erasure as people use it. Afterwards, nothing of the person is in a dump of the database or in an export. Nothing is
// in a log of the program, or in the log of a server that logs everything. That holds even if the API serves the person
// again. The test uses pg_dump if it is installed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { migrate } from '../../../src/db/migrate.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import { listen } from '../../support/api/api-server.ts';
import { runCli, type CliResult } from '../../support/cli.ts';
import { testPool } from '../../support/database/migrated-database.ts';
import {
  startTalkativeServer,
  type TalkativeServer,
} from '../../support/database/servers/talkative-server.ts';
import { everythingIn, rarePerson, type RarePerson } from '../../support/histories/erased-history.ts';

const run = promisify(execFile);
const ACCOUNT = 'e'.repeat(32);

describe('an erased person leaves no trace', () => {
  let server: TalkativeServer;
  let folder: string;
  before(async () => {
    // pg_dump of Debian dumps no server that is newer than itself.
    server = await startTalkativeServer(15);
    folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-erased-'));
    const pool = testPool(server.url);
    await migrate(pool);
    await pool.end();
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('in dumps, logs and exports, whether found by id or by email, and when served again', async (t) => {
    const said: string[] = [];
    const [byId, byEmail, absent, once] = [rarePerson(), rarePerson(), rarePerson(), rarePerson()];
    const others = Array.from({ length: 30 }, () => rarePerson());
    const api = await startApi(t, [...others, byId, byEmail, absent, once]);
    const cli = async (...args: string[]): Promise<CliResult> => {
      const result = await runCli(args, {
        DATABASE_URL: server.url,
        CLOUDFLARE_BASE_URL: api.url,
        CLOUDFLARE_ALLOW_INSECURE: '1',
        CLOUDFLARE_API_TOKEN: 'a-token',
        CLOUDFLARE_ACCOUNT_ID: ACCOUNT,
        SYNC_PER_PAGE: '10',
        LOG_LEVEL: 'debug',
      });
      said.push(result.stdout, result.stderr);
      return result;
    };
    const succeed = async (...args: string[]) => {
      const result = await cli(...args);
      assert.equal(result.code, 0, `${args[0]}: ${result.stderr}`);
      return result;
    };

    await succeed('sync');
    // Renamed, absent, and served wrongly: every place that holds a person has something.
    Object.assign(byId, { name: `${byId.name} Junior`, event_count: 40 });
    api.people = api.people.filter((one) => one !== absent);
    api.bad = [
      { ...byEmail, event_count: -1 },
      { email: byEmail.email, about: byId.name },
    ];
    await succeed('sync');
    api.bad = [];

    const { stdout } = await succeed('erase', byId.user_id, '--json');
    const [erased] = JSON.parse(stdout) as { user_id: string; vacuumed: string }[];
    assert.equal(erased?.vacuumed, 'all');
    await succeed('erase', byEmail.email!.toUpperCase());
    await succeed('erase', absent.user_id.replaceAll('-', '').toUpperCase());
    await succeed('erase', once.email!, '--once');
    const stillServed = [...others, byId, byEmail, absent];
    api.people = stillServed.map((one) => ({ ...one, event_count: one.event_count + 1 }));
    api.bad = [{ ...byId, max_risk_level: 'critical' }, { name: byEmail.name }];
    await succeed('sync');
    await succeed('sync');
    await succeed('erased');
    await succeed('history', erased.user_id, '--identities');
    await succeed('users', '--identities', '--limit', '50');
    await succeed('export', 'all', '--identities', '--out', `${folder}/`);

    const exported = await Promise.all(
      (await readdir(folder)).map((name) => readFile(path.join(folder, name), 'utf8')),
    );
    const pool = testPool(server.url);
    const rows = { rows: async (text: string) => (await pool.query(text)).rows } as Parameters<
      typeof everythingIn
    >[0];
    const places = {
      database: await everythingIn(rows),
      dump: await dumped(t, server.url),
      'log of the server': await server.log(),
      'log of the program': said.join('\n'),
      export: exported.join('\n'),
    };
    await pool.end();
    for (const [place, text] of Object.entries(places)) {
      const low = text.toLowerCase();
      if (place.startsWith('export')) assert.ok(low.includes(others[0]!.email!.toLowerCase()), place);
      for (const person of [byId, byEmail, absent, once])
        for (const one of person.texts) assert.ok(!low.includes(one), `${one} in the ${place}`);
    }
    assert.ok(places['log of the server'].includes('user_identities'));
  });
});

/** Null texts when there is no pg_dump that fits. */
async function dumped(t: TestContext, url: string): Promise<string> {
  try {
    const { stdout } = await run('pg_dump', [url], { maxBuffer: 1 << 28 });
    assert.ok(stdout.includes('COPY risk.users'));
    return stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    t.diagnostic('there is no pg_dump: only the rows of all tables were searched');
    return '';
  }
}

type Api = { url: string; people: UserRisk[]; bad: unknown[] };

async function startApi(t: TestContext, people: RarePerson[]): Promise<Api> {
  const api: Api = { url: '', people, bad: [] };
  const address = await listen(t, (request, response) => {
    const url = new URL(request.url ?? '/', 'http://api');
    const last = url.pathname.split('/').at(-1) ?? '';
    const answer = last === 'summary' ? page(api, url.searchParams) : ownRecord(api, last);
    response.writeHead(answer === null ? 404 : 200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify(answer ?? { success: false, errors: [{ code: 1002, message: 'no' }], result: null }),
    );
  });
  api.url = address.href;
  return api;
}

function page({ people, bad }: Api, query: URLSearchParams): unknown {
  const [number, size] = [Number(query.get('page')), Number(query.get('per_page'))];
  const all = [...people, ...bad];
  return {
    success: true,
    result: { users: all.slice((number - 1) * size, number * size) },
    result_info: { page: number, per_page: size, total_count: all.length },
  };
}

function ownRecord({ people }: Api, userId: string): unknown {
  const user = people.find((one) => one.user_id === userId);
  if (user === undefined) return null;
  const { email, name, max_risk_level: risk_level, last_event: timestamp } = user;
  const events = [{ id: 'e', name: 'n', risk_level, timestamp }];
  return { success: true, result: { email, name, events, risk_level, last_reset_time: null } };
}
