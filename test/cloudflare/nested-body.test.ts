// Answers that nest too deeply.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { collectRecords } from '../../src/cloudflare/endpoints/summary/record-reader.ts';
import { parseRecord } from '../../src/cloudflare/endpoints/summary/record.ts';
import { uuidOf } from '../support/world/random-world.ts';
import { ACCOUNT, harness, json, PAGE, RECORD, refusalOf, text } from '../support/api/api-server.ts';
import { ask, jsonHead, STREAM } from '../support/api/large-bodies.ts';

describe('a text that costs nothing to send, and much to parse', () => {
  const deepRecord = `{"user_id":"${uuidOf('deep')}","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  const page = (list: string) =>
    `{"success":true,"result":{"users":[${list}]},"result_info":{"total_count":3}}`;

  for (const [how, options] of [
    ['held', {}],
    ['streamed', STREAM],
  ] as const) {
    test(`one record that nests too deeply is one rejected record, in a body that is ${how}`, async (t) => {
      const list = [JSON.stringify(RECORD), deepRecord, JSON.stringify({ ...RECORD, name: null })].join(',');
      const h = await harness(t, [text(200, page(list), jsonHead)], options);
      const parsed = (await ask(h, () => collectRecords())).content.map(parseRecord);
      assert.deepEqual(
        parsed.map((one) => (one.ok ? 'accepted' : [one.reason, one.userId])),
        ['accepted', ['record: nested too deeply', uuidOf('deep')], 'accepted'],
      );
    });

    test(`anything else that nests too deeply is BAD_ANSWER, in a body that is ${how}`, async (t) => {
      const nested = '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000);
      const bodies = [
        '['.repeat(900_000),
        '{"a":'.repeat(100_000),
        `{"success":true,"result":{"users":[${JSON.stringify(RECORD)}]},"result_info":${nested}}`,
        `{"success":true,"messages":[${nested}],"result":{"users":[]}}`,
        `{"success":false,"errors":[${nested}]}`,
        `{"success":true,"result":{"users":[${'['.repeat(900_000)}`,
      ];
      for (const body of bodies) {
        const h = await harness(t, [text(200, body, jsonHead)], options);
        assert.equal((await refusalOf(h.ask())).code, 'BAD_ANSWER', body.slice(0, 60));
      }
    });
  }

  test('the answers of other endpoints are refused as well', async (t) => {
    const nested = `{"success":true,"result":{"events":[${'['.repeat(5_000)}${']'.repeat(5_000)}]}}`;
    for (const [body, code] of [
      ['['.repeat(1_900_000), 'BAD_ANSWER'],
      [nested, 'BAD_ANSWER'],
      [`{"success":true,"result":{"events":[${'{},'.repeat(900_000)}{}]}}`, 'BODY_TOO_LARGE'],
    ] as const) {
      const h = await harness(t, [text(200, body, jsonHead)]);
      const { signal } = new AbortController();
      const asked = { accountId: ACCOUNT, signal, countUse: h.countUse };
      assert.equal((await refusalOf(h.client.lookUpUser({ ...asked, userId: RECORD.user_id }))).code, code);
      assert.equal((await refusalOf(h.client.verifyToken(asked))).code, code);
      assert.equal((await refusalOf(h.client.verifyKey(asked))).code, code);
    }
  });

  test('brackets inside texts do not count', async (t) => {
    const name = `${'['.repeat(5_000)}\\"{`;
    const h = await harness(t, [json(200, { ...PAGE, result: { users: [{ ...RECORD, name }] } })]);
    const { content } = await ask(h, () => collectRecords());
    assert.equal((content[0] as typeof RECORD).name, name);
  });
});
