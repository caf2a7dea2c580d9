import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isOperatorError } from '../../src/errors.ts';
import { FAULTS, parseFaults } from '../../src/simulator/faults.ts';
import type { Simulator } from '../../src/simulator/server.ts';
import { ACCOUNT, ask, askSummary, NOON, users, walk, withSimulator, world } from './ask.ts';

const truth = world.at(NOON);
const ids = (list: { user_id: string }[]): string[] => list.map((user) => user.user_id).sort();

describe('parseFaults', () => {
  it('reads names, spaces and repetitions', () => {
    assert.deepEqual(parseFaults(''), []);
    assert.deepEqual(parseFaults(' drift, flaky,drift ,'), ['drift', 'flaky']);
    assert.deepEqual(parseFaults(Object.keys(FAULTS).join(',')), Object.keys(FAULTS));
  });

  it('names the unknown fault, and all known ones', () => {
    for (const text of ['drift,gremlins', 'toString']) {
      assert.throws(
        () => parseFaults(text),
        (error) => {
          assert(isOperatorError(error));
          assert.equal(error.code, 'FAULTS_UNKNOWN');
          assert.equal(error.exit, 64);
          for (const name of Object.keys(FAULTS)) assert(error.message.includes(name));
          return /gremlins|toString/.test(error.message) && !error.happened.includes('"drift"');
        },
      );
    }
  });
});

describe('paging faults', () => {
  it('drift: a walk meets users twice, misses others, and sees constant totals', async () => {
    await withSimulator({ faults: ['drift'] }, async (simulator) => {
      const first = await walk(simulator, 20);
      const met = new Set(ids(first));
      assert.equal(first.length, truth.length);
      assert(met.size < truth.length - 3, `${truth.length - met.size} missed`);
      const second = await walk(simulator, 20);
      assert.notDeepEqual(ids(second), ids(first));
      const info = (await askSummary(simulator, '?per_page=20')).body.result_info;
      assert.equal(info?.total_count, truth.length);
    });
  });

  it('drift: several walks together meet every user, and every row is true', async () => {
    await withSimulator({ faults: ['drift'] }, async (simulator) => {
      const served = new Map(truth.map((user) => [user.user_id, user]));
      const met = new Set<string>();
      for (let pass = 0; pass < 6; pass += 1) {
        for (const user of await walk(simulator, 20)) {
          met.add(user.user_id);
          assert.deepEqual(user, served.get(user.user_id));
        }
      }
      assert.equal(met.size, truth.length);
    });
  });

  it('drift: does not change an account that fits one page', async () => {
    await withSimulator({ faults: ['drift'] }, async (simulator) => {
      assert.deepEqual(users(await askSummary(simulator, '?per_page=1000')), truth);
      assert.deepEqual(users(await askSummary(simulator, '?per_page=1000')), truth);
    });
  });

  it('no-totals and no-info leave out what their names say', async () => {
    await withSimulator({ faults: ['no-totals'] }, async (simulator) => {
      const { body } = await askSummary(simulator);
      assert.deepEqual(Object.keys(body.result_info ?? {}), ['count', 'page', 'per_page']);
      simulator.setFaults(['no-info']);
      assert.equal('result_info' in (await askSummary(simulator)).body, false);
      assert.deepEqual(await walk(simulator, 100), truth);
    });
  });

  it('ignore-page always answers with the first page', async () => {
    await withSimulator({ faults: ['ignore-page'] }, async (simulator) => {
      for (const page of [1, 2, 900]) {
        const said = await askSummary(simulator, `?page=${page}&per_page=40`);
        assert.deepEqual(users(said), truth.slice(0, 40));
        assert.equal(said.body.result_info?.page, 1);
      }
    });
  });

  it('everything answers with the whole account, whatever page was requested', async () => {
    await withSimulator({ faults: ['everything'] }, async (simulator) => {
      const said = await askSummary(simulator, '?page=7&per_page=10');
      assert.deepEqual(users(said), truth);
      assert.equal(said.body.result_info?.total_pages, 1);
    });
  });

  it('clamp-50 never serves larger pages, and refuse-large refuses requests for more than 100', async () => {
    await withSimulator({ faults: ['clamp-50'] }, async (simulator) => {
      const said = await askSummary(simulator, '?per_page=1000');
      assert.deepEqual([users(said).length, said.body.result_info?.per_page], [50, 50]);
      simulator.setFaults(['refuse-large']);
      assert.equal((await askSummary(simulator, '?per_page=101')).status, 400);
      assert.equal(users(await askSummary(simulator, '?per_page=100')).length, 100);
      simulator.setFaults(['refuse-above-25']);
      const refused = await askSummary(simulator, '?per_page=26');
      assert.deepEqual([refused.status, refused.body.errors[0]?.code], [400, 8000024]);
      assert.equal(users(await askSummary(simulator, '?per_page=25')).length, 25);
      simulator.setFaults(['refuse-per-page']);
      assert.equal((await askSummary(simulator, '?per_page=10')).status, 422);
      assert.equal(users(await askSummary(simulator, '?page=2')).length, 20);
    });
  });

  it('refuse-beyond refuses the first page after the last one, and no other', async () => {
    await withSimulator({ faults: ['refuse-beyond'] }, async (simulator) => {
      const last = Math.ceil(truth.length / 40);
      assert.equal((await askSummary(simulator, `?per_page=40&page=${last}`)).status, 200);
      const said = await askSummary(simulator, `?per_page=40&page=${last + 1}`);
      assert.deepEqual([said.status, said.body.errors[0]?.code], [404, 7003]);
      simulator.setFaults(['refuse-beyond', 'empty']);
      assert.equal((await askSummary(simulator, '?page=1')).status, 200);
    });
  });
});

describe('content faults', () => {
  it('empty serves no users, with totals of zero', async () => {
    await withSimulator({ faults: ['empty'] }, async (simulator) => {
      const said = await askSummary(simulator, '?per_page=50');
      assert.deepEqual(said.body.result_info, {
        count: 0,
        page: 1,
        per_page: 50,
        total_count: 0,
        total_pages: 0,
      });
      assert.deepEqual(users(said), []);
    });
  });

  it('bad-record spoils exactly one user, always the same one', async () => {
    await withSimulator({ faults: ['bad-record'] }, async (simulator) => {
      const bad = async (perPage: number): Promise<string[]> =>
        (await walk(simulator, perPage))
          .filter((user) => !['low', 'medium', 'high'].includes(user.max_risk_level))
          .map((user) => user.user_id);
      const [victim, ...others] = await bad(30);
      assert(victim);
      assert.deepEqual(others, []);
      assert.deepEqual(await bad(1000), [victim]);
      simulator.setFaults([]);
      assert.deepEqual(await walk(simulator, 30), truth);
    });
  });
});

describe('service faults', () => {
  const statuses = async (simulator: Simulator, count: number): Promise<number[]> => {
    const seen: number[] = [];
    for (let nth = 0; nth < count; nth += 1) seen.push((await askSummary(simulator)).status);
    return seen;
  };
  const user = `/accounts/${ACCOUNT}/zt_risk_scoring/${truth[0]?.user_id ?? ''}`;

  it('unavailable and forbidden apply to every request', async () => {
    await withSimulator({ faults: ['unavailable'] }, async (simulator) => {
      assert.equal((await askSummary(simulator)).status, 503);
      assert.equal((await ask(simulator, user)).status, 503);
      simulator.setFaults(['forbidden']);
      for (const said of [await askSummary(simulator), await ask(simulator, user)]) {
        assert.deepEqual([said.status, said.body.errors[0]?.code], [403, 9109]);
      }
    });
  });

  it('challenge, blocked, bound-token and no-plan refuse in the words of Cloudflare', async () => {
    await withSimulator({ faults: ['challenge'] }, async (simulator) => {
      const challenge = await askSummary(simulator);
      assert.deepEqual([challenge.status, challenge.headers.get('cf-mitigated')], [403, 'challenge']);
      simulator.setFaults(['blocked']);
      assert.match((await askSummary(simulator)).text, /"error_code":1020,"cloudflare_error":true/);
      simulator.setFaults(['bound-token']);
      assert.match((await askSummary(simulator)).text, /9109.*from location/);
      simulator.setFaults(['no-plan']);
      assert.match((await askSummary(simulator)).text, /not_entitled/);
      simulator.setFaults(['text-plain']);
      const plain = await askSummary(simulator);
      assert.match(plain.headers.get('content-type') ?? '', /^text\/plain/);
      assert.equal((JSON.parse(plain.text) as { success: boolean }).success, true);
    });
  });

  it('flaky answers every 7th request with an HTML page, and works in between', async () => {
    await withSimulator({ faults: ['flaky'] }, async (simulator) => {
      assert.deepEqual(await statuses(simulator, 6), [200, 200, 200, 200, 200, 200]);
      const said = await askSummary(simulator);
      assert.equal(said.status, 502);
      assert.match(said.headers.get('content-type') ?? '', /^text\/html/);
      assert.match(said.text, /^<!DOCTYPE html>/);
      assert.equal((await askSummary(simulator)).status, 200);
    });
  });

  it('throttle answers every 10th request with 429 and how long to wait, counted from when it was set', async () => {
    await withSimulator({}, async (simulator) => {
      await statuses(simulator, 5);
      simulator.setFaults(['throttle']);
      assert.deepEqual(new Set(await statuses(simulator, 9)), new Set([200]));
      const said = await askSummary(simulator);
      assert.deepEqual(
        [said.status, said.body.errors[0]?.code, said.headers.get('retry-after')],
        [429, 971, '1'],
      );
      assert.equal(simulator.requests(), 15);
    });
  });
});
