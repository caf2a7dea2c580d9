// Pages and the API alone, as the demo serves them.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { request } from 'undici';
import { createRoles } from '../../src/db/roles.ts';
import { startDashboard } from '../../src/http/dashboard.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';
import { quiet } from '../support/stage.ts';

let database: MigratedDatabase;

before(async () => {
  database = await migratedDatabase();
  await createRoles(database.pool);
});

after(() => database.close());

const start = (port: number) =>
  startDashboard({
    database: { url: database.url, isEmbedded: false },
    port,
    staleAfterMs: 3_600_000,
    highTargetMs: 86_400_000,
    logger: quiet,
  });

async function statusOf(address: string): Promise<number> {
  const { statusCode, body } = await request(address, { reset: true });
  await body.dump();
  return statusCode;
}

test('a port that another program uses is left to it, and a free port is used', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const dashboard = await start(port);
  try {
    assert.notEqual(dashboard.port, port);
    assert.equal(dashboard.address, `http://127.0.0.1:${dashboard.port}`);
    assert.equal(await statusOf(`${dashboard.address}/`), 200);
  } finally {
    await dashboard.close();
    other.close();
  }
});

test('it has pages, the API and the probes, and nothing that measures or starts a run', async () => {
  const dashboard = await start(0);
  try {
    for (const [path, status] of [
      ['/', 200],
      ['/response', 200],
      ['/runs', 200],
      ['/api/v1/runs', 200],
      ['/livez', 200],
      ['/readyz', 200],
      ['/metrics', 404],
      ['/sync', 404],
    ] as const)
      assert.equal(await statusOf(`${dashboard.address}${path}`), status, path);
  } finally {
    await dashboard.close();
  }
  await assert.rejects(statusOf(`${dashboard.address}/livez`), { code: 'ECONNREFUSED' });
});

test('a port that cannot be listened on is an error, and no other one is taken instead', async () => {
  await assert.rejects(start(70_000), { code: 'HTTP_ADDRESS_UNUSABLE' });
});
