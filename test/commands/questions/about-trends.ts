// What `trends` says of days, weeks, months and hours, compared with the oracle.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createCalendar, HOUR } from '../../support/oracle/reporting/calendar.ts';
import type { Past, Row } from '../../support/oracle/reporting/past.ts';
import { countOf, iso, snapshotsOf, ZONE, type LivedPasts } from '../../support/histories/lived-pasts.ts';

type Bucket = { name: string; from: bigint; to: bigint };

function expectedTrend(past: Past, buckets: readonly Bucket[]): Row[] {
  return buckets.flatMap(({ name, from, to }) => {
    const shown = snapshotsOf(past).findLast(({ at }) => at < to);
    if (shown === undefined) return [];
    const [low, medium, high] = ['low', 'medium', 'high'].map((level) => countOf(shown, level)) as [
      number,
      number,
      number,
    ];
    const all = low + medium + high;
    return [
      {
        bucket: name,
        low,
        medium,
        high,
        verdict: shown.verdict,
        user_count: all,
        high_share: all === 0 ? null : Number((high / all).toFixed(6)),
        is_observed: shown.at >= from,
        starts_at: iso(from),
        snapshot_id: shown.snapshotId,
        observed_at: iso(shown.at),
      },
    ];
  });
}

/** Days, and the weeks and months made of them. */
function bucketsOf(past: Past, kind: 'day' | 'week' | 'month', now: bigint): Bucket[] {
  const calendar = createCalendar(ZONE);
  const end = past.retiredAt !== null && past.retiredAt < now ? past.retiredAt : now;
  const buckets: Bucket[] = [];
  for (const { day, to } of calendar.days(snapshotsOf(past)[0]!.at, end)) {
    const date = new Date(`${day}T00:00:00Z`);
    if (kind === 'week') date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
    if (kind === 'month') date.setUTCDate(1);
    const name = date.toISOString().slice(0, 10);
    const last = buckets.at(-1);
    if (last?.name === name) last.to = to;
    else {
      const [start] = calendar.days(...twice(noonOf(name)));
      buckets.push({ name, from: start!.from, to });
    }
  }
  return buckets;
}

const noonOf = (day: string) => BigInt(Date.parse(`${day}T12:00:00Z`)) * 1000n;
const twice = (at: bigint): [bigint, bigint] => [at, at];

export function aboutTrends(lived: () => LivedPasts): void {
  describe('trends', () => {
    for (const bucket of ['day', 'week', 'month'] as const) {
      it(`by ${bucket} have no gaps, and tell observed values from values carried forward`, async () => {
        const rows = await lived().ask('trends', '--since', '2025-01-01', '--bucket', bucket);
        const now = BigInt(Date.now()) * 1000n;
        for (const past of lived().pasts) {
          const actual = rows.filter((row) => row['account_id'] === past.accountId);
          const expected = expectedTrend(past, bucketsOf(past, bucket, now));
          assert.deepEqual(
            actual.map(({ account_id: _id, [bucket]: name, ...rest }) => ({ bucket: name, ...rest })),
            expected,
          );
        }
        assert.ok(
          rows.some((row) => row['is_observed'] === true) && rows.some((row) => row['is_observed'] === false),
        );
        assert.equal(new Set(lived().pasts.map(({ accountId }) => accountId)).size, 3);
      });
    }

    it('by hour give the same name to the hour that the clocks repeat, and a different start to each', async () => {
      const past = lived().main;
      const first = snapshotsOf(past)[0]!.at;
      const rows = await lived().ask(
        'trends',
        '--since',
        iso(first),
        '--bucket',
        'hour',
        '--account',
        past.accountId,
      );
      const calendar = createCalendar(ZONE);
      const expected = expectedTrend(
        past,
        rows.map((_, index) => {
          const from = calendar.hourOf(first) + BigInt(index) * HOUR;
          return { name: '', from, to: from + HOUR };
        }),
      );
      assert.deepEqual(
        rows.map(({ account_id: _id, hour: _hour, ...rest }) => ({ bucket: '', ...rest })),
        expected,
      );
      const twiceNamed = rows.filter((row) => row['hour'] === '2025-10-26 02:00');
      assert.deepEqual(
        twiceNamed.map((row) => row['starts_at']),
        ['2025-10-26T00:00:00.000Z', '2025-10-26T01:00:00.000Z'],
      );
    });

    it('begin with the bucket that contains --since, in the requested time zone', async () => {
      const past = lived().main;
      const middle = snapshotsOf(past)[Math.floor(snapshotsOf(past).length / 2)]!;
      for (const zone of ['America/New_York', 'Asia/Kathmandu', '+05:30']) {
        const args = ['--since', iso(middle.at), '--account', past.accountId, '--timezone', zone];
        const [first] = await lived().ask('trends', ...args);
        const [day] = createCalendar(zone).days(middle.at, middle.at);
        assert.equal(first!['day'], day!.day);
        assert.equal(first!['starts_at'], iso(day!.from));
        const shown = snapshotsOf(past).findLast(({ at }) => at < day!.to)!;
        assert.equal(first!['snapshot_id'], shown.snapshotId);
      }
    });
  });
}
