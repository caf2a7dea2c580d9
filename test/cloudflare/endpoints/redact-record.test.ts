// What is kept of a rejected record where no email and no name may be kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRecord } from '../../../src/cloudflare/endpoints/summary/record.ts';
import { DeepRecord } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { REDACTED, redactRecord } from '../../../src/cloudflare/endpoints/summary/redact-record.ts';
import { recheck } from '../../../src/upkeep/recheck.ts';

const MARK = 'Quirinus';
const marked = fc.constantFrom(MARK, `${MARK}@example.com`, MARK.toLowerCase(), `x ${MARK} y`);
const anything: fc.Arbitrary<unknown> = fc.oneof(
  marked,
  fc.array(marked, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom('a', MARK), marked, { maxKeys: 2 }),
  fc.constantFrom(1, true, null),
);
const record = fc.record(
  Object.fromEntries(
    ['user_id', 'email', 'name', 'max_risk_level', 'event_count', 'last_event', MARK, 'other'].map((name) => [
      name,
      anything,
    ]),
  ),
  { requiredKeys: [] },
);

test('every text that may be an email or a name is removed, wherever it is', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        record,
        anything,
        record.map((rest) => new DeepRecord(rest)),
      ),
      (raw) => {
        const kept = redactRecord(raw);
        const shown = raw instanceof DeepRecord ? raw.rest : raw;
        const levelAlone =
          (shown as { max_risk_level?: unknown } | null)?.max_risk_level === MARK.toLowerCase();
        // A level that this version does not know is a word, and may be any word.
        if (!levelAlone) assert.ok(!kept.toLowerCase().includes(MARK.toLowerCase()), kept);
        assert.ok(kept.startsWith(REDACTED) && kept.length < 500, kept);
      },
    ),
  );
});

test('the fields, their kinds and harmless values are kept, so that people see why the record was rejected', () => {
  const kept = redactRecord({
    user_id: '0A0B0C0D-1111-4222-8333-444455556666',
    email: 7,
    name: 'Ada Lovelace',
    max_risk_level: 'critical',
    event_count: -1,
    last_event: '2026-02-30T10:00:00Z',
    phone: '+49 170 1234567',
    department: 'Ada',
  });
  assert.equal(
    kept,
    `${REDACTED} {"user_id":"0A0B0C0D-1111-4222-8333-444455556666","email":"[number]","name":"[text]","max_risk_level":"critical","event_count":-1,"last_event":"2026-02-30T10:00:00Z","other_fields":2}`,
  );
  assert.equal(redactRecord(['Ada']), `${REDACTED} list`);
  assert.equal(redactRecord('Ada'), `${REDACTED} text`);
  assert.equal(redactRecord(null), `${REDACTED} null`);
});

test('a word that is part of the name is not kept as a level', () => {
  const kept = redactRecord({ name: 'Ada Lovelace', email: null, max_risk_level: 'ada' });
  assert.equal(kept, `${REDACTED} {"email":null,"name":"[text]","max_risk_level":"[text]"}`);
});

test('a redacted text is never judged as if it were the record', () => {
  const raw = { user_id: '0a0b0c0d-1111-4222-8333-444455556666', email: 'x'.repeat(321) };
  assert.equal(parseRecord(raw).ok, false);
  assert.deepEqual(recheck(redactRecord(raw)), {
    outcome: 'unknown',
    reason: 'the record was kept without emails and names',
  });
});
