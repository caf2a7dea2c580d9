import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createWorld } from '../../src/simulator/world.ts';
import { ACCOUNT, ask, askSummary, NOON, START, users, walk, withSimulator, world } from './ask.ts';

const truth = world.at(NOON);

describe('the simulated summary', () => {
  it('answers with the whole envelope', async () => {
    await withSimulator({}, async (simulator) => {
      const { status, headers, body } = await askSummary(simulator, '?page=2&per_page=50');
      assert.equal(status, 200);
      assert.match(headers.get('content-type') ?? '', /^application\/json/);
      assert.deepEqual(body, {
        errors: [],
        messages: [],
        success: true,
        result: { users: truth.slice(50, 100) },
        result_info: {
          count: 50,
          page: 2,
          per_page: 50,
          total_count: truth.length,
          total_pages: Math.ceil(truth.length / 50),
        },
      });
      assert.equal(simulator.requests(), 1);
    });
  });

  it('serves the whole account over its pages, whatever their size', async () => {
    await withSimulator({}, async (simulator) => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 3, max: 400 }), async (perPage) => {
          assert.deepEqual(await walk(simulator, perPage), truth);
        }),
        { numRuns: 12 },
      );
    });
  });

  it('answers page 1 for page 0, no users after the end, and clamps per_page', async () => {
    await withSimulator({ perPageMax: 80, defaultPerPage: 30 }, async (simulator) => {
      assert.deepEqual(users(await askSummary(simulator, '?page=0')), truth.slice(0, 30));
      assert.deepEqual(users(await askSummary(simulator)), truth.slice(0, 30));
      assert.deepEqual(users(await askSummary(simulator, '?page=9999')), []);
      const clamped = await askSummary(simulator, '?per_page=5000');
      assert.deepEqual(users(clamped), truth.slice(0, 80));
      assert.equal(clamped.body.result_info?.per_page, 80);
      for (const query of ['?page=two', '?per_page=many', '?per_page=-1'])
        assert.equal((await askSummary(simulator, query)).status, 400, query);
    });
  });

  it('honours order_by and direction', async () => {
    await withSimulator({}, async (simulator) => {
      const oldest = users(await askSummary(simulator, '?per_page=1000&direction=asc'));
      assert.deepEqual(oldest, truth.toReversed());
      const busiest = users(
        await askSummary(simulator, '?per_page=1000&order_by=event_count&direction=desc'),
      );
      assert.equal(busiest[0]?.event_count, Math.max(...truth.map((user) => user.event_count)));
      const worst = users(await askSummary(simulator, '?per_page=1000&order_by=max_risk_level'));
      assert.equal(worst[0]?.max_risk_level, 'high');
      assert.equal(worst.at(-1)?.max_risk_level, 'low');
    });
  });

  it('follows the simulated clock', async () => {
    let now = NOON;
    await withSimulator({ now: () => now }, async (simulator) => {
      assert.deepEqual(users(await askSummary(simulator, '?per_page=1000')), truth);
      now = new Date('2026-03-20T09:00:00Z');
      assert.deepEqual(users(await askSummary(simulator, '?per_page=1000')), world.at(now));
      now = NOON;
      assert.deepEqual(users(await askSummary(simulator, '?per_page=1000')), truth);
    });
  });

  it('keeps accounts separate', async () => {
    const other = createWorld({ seed: 12, users: 5, start: START, days: 90 });
    const second = ACCOUNT.replace('0', 'f');
    const worlds = (id: string): typeof world | undefined =>
      new Map([[ACCOUNT, world]]).get(id) ?? (id === second ? other : undefined);
    await withSimulator({ worlds }, async (simulator) => {
      const path = `/accounts/${second}/zt_risk_scoring/summary?per_page=1000`;
      assert.deepEqual(users(await ask(simulator, path)), other.at(NOON));
      assert.deepEqual(users(await askSummary(simulator, '?per_page=1000')), truth);
    });
    await withSimulator({ worlds: other }, async (simulator) => {
      assert.deepEqual(users(await askSummary(simulator)), other.at(NOON));
      assert.equal(
        (await ask(simulator, '/accounts/short/zt_risk_scoring/summary')).body.errors[0]?.code,
        7003,
      );
    });
  });
});

describe('the simulated records', () => {
  it('answer for a present user, a reset user, and an unknown user', async () => {
    await withSimulator({}, async (simulator) => {
      const [user] = truth;
      assert(user);
      const found = await ask(
        simulator,
        `/accounts/${ACCOUNT}/zt_risk_scoring/${user.user_id.toUpperCase()}`,
      );
      assert.deepEqual(found.body.result, world.user(user.user_id, NOON));
      assert.equal('result_info' in found.body, false);

      const before = world.at(new Date('2026-02-20T12:00:00Z'));
      const records = before.map(({ user_id: id }) => ({ id, record: world.user(id, NOON) }));
      const reset = records.find(({ record }) => record !== null && record.risk_level === undefined);
      assert(reset);
      const answer = await ask(simulator, `/accounts/${ACCOUNT}/zt_risk_scoring/${reset.id}`);
      assert.deepEqual(answer.body.result, reset.record);

      const nobody = await ask(
        simulator,
        `/accounts/${ACCOUNT}/zt_risk_scoring/182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e`,
      );
      assert.equal(nobody.status, 404);
      assert.notEqual(nobody.body.errors[0]?.code, 7003);
    });
  });

  it('routes fixed paths before user ids', async () => {
    await withSimulator({}, async (simulator) => {
      const behaviors = await ask(simulator, `/accounts/${ACCOUNT}/zt_risk_scoring/behaviors`);
      assert.match(behaviors.text, /"imp_travel":\{"name":"Impossible travel"/);
      const integrations = await ask(simulator, `/accounts/${ACCOUNT}/zt_risk_scoring/integrations`);
      assert.deepEqual(integrations.body.result, []);
    });
  });
});

describe('starting and stopping the simulator', () => {
  it('says when a port is in use', async () => {
    await withSimulator({}, async (first) => {
      await assert.rejects(
        withSimulator({ port: first.port }, async () => {}),
        { code: 'EADDRINUSE' },
      );
    });
  });

  it('answers a defect with 500 and without its text, and goes on', async () => {
    let now = new Date(Number.NaN);
    await withSimulator({ now: () => now }, async (simulator) => {
      const { status, body } = await askSummary(simulator);
      assert.equal(status, 500);
      assert.deepEqual(
        body.errors.map(({ code }) => code),
        [1000],
      );
      assert.match(body.errors[0]!.message, /^The simulator failed/);
      now = NOON;
      assert.equal((await askSummary(simulator)).status, 200);
    });
  });

  it('names an address at which it is reached, also where it listens on all of them', async (t) => {
    for (const [host, named] of [
      ['127.0.0.1', '127.0.0.1'],
      ['0.0.0.0', '127.0.0.1'],
      ['::1', '[::1]'],
      ['::', '[::1]'],
    ] as const)
      await withSimulator({ host }, async (simulator) => {
        assert.equal(new URL(simulator.url).hostname, named);
        assert.equal((await askSummary(simulator)).status, 200);
      }).catch((error: NodeJS.ErrnoException) => {
        if (!/^E(AFNOSUPPORT|ADDRNOTAVAIL)$/.test(error.code ?? '')) throw error;
        t.diagnostic(`this system has no ${host}`);
      });
  });

  it('closes while connections are still open', async () => {
    await withSimulator({}, async (simulator) => {
      await askSummary(simulator);
      await simulator.close();
      await assert.rejects(askSummary(simulator));
    });
  });
});
