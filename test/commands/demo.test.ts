// The demo as a new user runs it: from an installed package, with its own data folder.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { demoDatabase, databaseUrl } from '../../src/db/create-database.ts';
import { findEmbedded, stopEmbedded } from '../../src/db/embedded/embedded-postgres.ts';
import { installPackage } from '../support/installed-package.ts';
import { removeFolder, temporaryFolder } from '../support/database/postgres-server.ts';

const run = promisify(execFile);

test('builds 90 days of history with the real sync, shows the trend, and never connects to DATABASE_URL', async (t) => {
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
  const { stdout } = await run(bin, ['demo'], { env, cwd: folder });
  assert.match(stdout, /^high {3}[▁▂▃▄▅▆▇█]{40,60} +\d+ → \d+ \(/mu);
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
