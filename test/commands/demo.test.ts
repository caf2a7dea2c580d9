// The demo as a new user runs it: from an installed package, with its own data folder.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { pino } from 'pino';
import { request } from 'undici';
import { showOnTerminal } from '../../src/commands/demo.ts';
import type { Io } from '../../src/context.ts';
import { demoDatabase, databaseUrl } from '../../src/db/create-database.ts';
import { findEmbedded, stopEmbedded } from '../../src/db/embedded/embedded-postgres.ts';
import { migratedDatabase } from '../support/database/migrated-database.ts';
import { installPackage } from '../support/installed-package.ts';
import { removeFolder, temporaryFolder } from '../support/database/servers/postgres-server.ts';

const run = promisify(execFile);

test('builds 90 days of history with the real sync, shows the trend, serves it on a terminal until Ctrl-C, and never connects to DATABASE_URL', async (t) => {
  const folder = await temporaryFolder();
  const place = { dataHome: folder, home: folder };
  t.after(async () => {
    await stopEmbedded(place);
    await removeFolder(folder);
  });
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    XDG_DATA_HOME: folder,
    DATABASE_URL: 'postgres://nobody:nothing@127.0.0.1:1/real',
  };
  const { bin } = await installPackage(folder);
  const { stdout, seen, code } = await onTerminal(bin, { env, cwd: folder });
  assert.deepEqual(seen, { '/': 200, '/response': 200, '/runs': 200, '/users': 200 });
  assert.equal(code, 0);
  assert.ok(/^medium \d+ → \d+ \(/mu.test(stdout), stdout.slice(-3_000));
  assert.match(stdout, /^ {2}export DATABASE_URL="\$\(zt-risk-sync database url --demo\)"$/m);

  const server = await findEmbedded(place);
  assert.ok(server, 'the embedded server still runs');
  const client = new Client({ connectionString: databaseUrl(server.url, demoDatabase) });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, number>>(`
      select (select count(*) from risk.snapshots)::integer as snapshots,
             (select count(*) from risk.snapshots where verdict = 'partial')::integer as partial,
             (select count(*) from risk.sync_runs where status = 'failed')::integer as failed,
             (select count(*) from risk_bi.sync_coverage
               where run_count = 4 and slot_succeeded_count + failed_count = 4)::integer as covered,
             (select min(user_count) from risk.snapshots)::integer as fewest,
             (select extract(day from max(observed_at) - min(observed_at)) from risk.snapshots)::integer as days,
             (select max(user_count) from risk.snapshot_levels where max_risk_level = 'high')::integer as peak,
             (select avg(user_count) from risk.snapshot_levels where max_risk_level = 'high')::integer as usual`);
    const [facts] = rows;
    assert.ok(facts);
    assert.equal(facts['snapshots'], 359);
    assert.ok((facts['partial'] ?? 0) >= 1 && (facts['failed'] ?? 0) >= 1, JSON.stringify(facts));
    assert.ok((facts['fewest'] ?? 0) >= 400, JSON.stringify(facts));
    assert.equal(facts['days'], 89);
    // The first and the last day have only part of their runs.
    assert.ok((facts['covered'] ?? 0) >= 89, JSON.stringify(facts));
    assert.ok((facts['peak'] ?? 0) > 4 * (facts['usual'] ?? 0), 'the campaign stands out');
  } finally {
    await client.end();
  }

  // Another command without DATABASE_URL finds no history: it names the demo's database, and does not read it.
  const { DATABASE_URL: _, ...unset } = env;
  const other = await run(bin, ['users'], { env: unset, cwd: folder }).catch(
    (error: { stdout: string; stderr: string }) => error,
  );
  assert.match(
    other.stderr,
    /^There is no history here\. .*\n  export DATABASE_URL="\$\(zt-risk-sync database url --demo\)"$/m,
  );
  assert.equal(other.stdout, '');
});

test('the demo serves its dashboard on a terminal only, so that no script waits for ever', async (t) => {
  const { url, pool, close } = await migratedDatabase();
  t.after(close);
  const stop = new AbortController();
  let said = '';
  const stderr = new Writable({
    write(piece: Buffer, _encoding, done) {
      said += piece.toString();
      done();
    },
  });
  const show = (isTTY: boolean) => {
    const io = {
      stdout: Object.assign(new PassThrough(), { isTTY }),
      stderr,
      signal: stop.signal,
    } as never as Io;
    return showOnTerminal(io, pool, { url, isEmbedded: false }, pino({ level: 'silent' }));
  };
  await show(false);
  assert.equal(said, '');
  // Ctrl-C was already pressed.
  stop.abort();
  await show(true);
  assert.match(said, /^\nDashboard at http:\/\/127\.0\.0\.1:\d+.*\. Stop with Ctrl-C\.\n$/);
});

/** The demo on a pseudo-terminal. When it prints its address, the test looks around and then presses Ctrl-C. */
async function onTerminal(
  bin: string,
  { env, cwd }: { env: Record<string, string>; cwd: string },
): Promise<{ stdout: string; seen: Record<string, number>; code: number | null }> {
  // It forwards what is typed, and ends with the status of the command.
  const terminal = spawn('script', ['-qefc', `stty cols 80; exec ${bin} demo`, '/dev/null'], { env, cwd });
  let output = '';
  terminal.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  const ended = once(terminal, 'close');
  let address: string | undefined;
  while (terminal.exitCode === null && address === undefined) {
    await sleep(50);
    address = /^Dashboard at (http:\/\/127\.0\.0\.1:\d+).*Stop with Ctrl-C\.\r$/m.exec(output)?.[1];
  }
  assert.ok(address, output.slice(-2_000));
  const seen: Record<string, number> = {};
  for (const path of ['/', '/response', '/runs', '/users']) {
    const { statusCode, body } = await request(address + path, { reset: true });
    await body.dump();
    seen[path] = statusCode;
  }
  terminal.stdin.write('\u0003');
  await ended;
  const plain = output.replaceAll('\r', '').replace(/\u001b\[\d*m/g, '');
  return { stdout: plain, seen, code: terminal.exitCode };
}
