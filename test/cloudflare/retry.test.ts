import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEFAULT_TIMING, parseRetryAfter, retryDelay } from '../../src/cloudflare/retry.ts';

const timing = DEFAULT_TIMING;

test('waits as the server says, otherwise as the budget says, otherwise backs off', () => {
  const rows: [Partial<Parameters<typeof retryDelay>[0]>, number][] = [
    [{ throttled: true, retryAfterMs: 7_000, resetMs: 30_000 }, 7_000],
    [{ throttled: false, retryAfterMs: 7_000 }, 7_000],
    [{ throttled: true, retryAfterMs: null, resetMs: 30_000 }, 30_000],
    [{ throttled: true, retryAfterMs: 0, resetMs: 30_000 }, 30_000],
    [{ throttled: true, retryAfterMs: -3_600_000, resetMs: 30_000 }, 30_000],
    [{ throttled: true, retryAfterMs: 1e15 }, 300_000],
    [{ throttled: true, resetMs: 1e15 }, 300_000],
    // A request budget says nothing about an outage.
    [{ throttled: false, resetMs: 30_000, random: 0.5 }, 1_000],
    [{ attempt: 1, random: 0.5 }, 1_000],
    [{ attempt: 2, random: 0.5 }, 2_000],
    [{ attempt: 5, random: 0.5 }, 16_000],
    [{ attempt: 6, random: 0.5 }, 30_000],
    [{ attempt: 2_000, random: 0.5 }, 30_000],
    [{ attempt: 9, random: 0 }, 0],
    [{ throttled: true, retryAfterMs: 0, resetMs: 0, attempt: 3, random: 0.5 }, 4_000],
  ];
  for (const [facts, expected] of rows) {
    const whole = {
      attempt: 1,
      throttled: false,
      retryAfterMs: null,
      resetMs: null,
      random: 0.5,
      timing,
      ...facts,
    };
    assert.equal(retryDelay(whole), expected, JSON.stringify(facts));
  }
});

test('the wait stays between zero and the limit, whatever the server says', () => {
  const told = fc.option(fc.double({ noNaN: true }));
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.boolean(),
      told,
      told,
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, throttled, retryAfterMs, resetMs, random) => {
        const ms = retryDelay({ attempt, throttled, retryAfterMs, resetMs, random, timing });
        assert.ok(ms >= 0 && ms <= timing.maxWaitMs);
        if (retryAfterMs === null && !throttled) {
          assert.ok(ms <= Math.min(timing.backoffCapMs, timing.backoffBaseMs * 2 ** (attempt - 1)));
        }
      },
    ),
  );
});

test("reads Retry-After in seconds, and as a date on the server's clock", () => {
  const now = Date.parse('2026-11-01T12:00:00Z');
  const date = 'Sun, 01 Nov 2026 11:00:00 GMT';
  const rows: [string | null, string | null, number | null][] = [
    ['30', null, 30_000],
    [' 0 ', null, 0],
    ['999999999999', null, 999_999_999_999_000],
    ['Sun, 01 Nov 2026 12:00:30 GMT', null, 30_000],
    // The server's clock is an hour behind: it means half a minute.
    ['Sun, 01 Nov 2026 11:00:30 GMT', date, 30_000],
    ['Sun, 01 Nov 2026 10:59:00 GMT', date, -60_000],
    ['Sun, 01 Nov 2026 12:00:30 GMT', 'yesterday', 30_000],
    [null, date, null],
    ['', null, null],
    ['-5', null, null],
    ['1.5', null, null],
    ['soon', null, null],
    ['30 seconds', null, null],
    ['Xxx, 99 Zzz 2026 11:00:30 GMT', null, null],
  ];
  for (const [value, serverDate, expected] of rows) {
    assert.equal(parseRetryAfter(value, serverDate, now), expected, `${value} / ${serverDate}`);
  }
});

test('reads any Retry-After header without throwing', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (value, date) => {
      const ms = parseRetryAfter(value, date, 0);
      assert.ok(ms === null || Number.isFinite(ms));
    }),
  );
});
