// The report in its three forms: each has the figures of the published states, so none can differ from another.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { createCalendar } from '../support/oracle/reporting/calendar.ts';
import { countsAt, meant } from '../support/oracle/reporting/overview-oracle.ts';
import { expectedViews } from '../support/oracle/reporting/reporting-oracle.ts';
import type { Past, Row } from '../support/oracle/reporting/past.ts';
import { figuresOf, keptIn } from '../support/oracle/reporting/response-oracle.ts';
import { migratedDatabase } from '../support/database/migrated-database.ts';
import { textsBy } from '../support/pages/read-page.ts';
import { runCommand } from '../support/run-command.ts';
import { reportingWorld, type ReportingWorld } from '../support/world/reporting-world.ts';
import { SEED, ZONES } from '../support/pages/shown-pasts.ts';

const PLACES = ['none', 'low', 'medium', 'high'];
const LEVELS = ['high', 'medium', 'low'] as const;
const DAY_SECONDS = 86_400;
const MINUTE = 60_000_000n;

let world: ReportingWorld;
let pasts: Past[];
let folder: string;

before(async () => {
  [world, folder] = await Promise.all([reportingWorld(SEED), mkdtemp(path.join(tmpdir(), 'report-'))]);
  pasts = world.pasts;
});

after(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

const iso = (at: bigint) => new Date(Number(at / 1000n)).toISOString();

function span(): { from: bigint; to: bigint } {
  const all = pasts.flatMap(({ oracle }) => oracle.snapshots.map(({ at }) => at / MINUTE));
  const first = all.reduce((a, b) => (a < b ? a : b));
  const last = all.reduce((a, b) => (a > b ? a : b)) + 1n;
  return { from: (first + (last - first) / 3n) * MINUTE, to: last * MINUTE };
}

async function report(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(
    ['report', ...args],
    { DATABASE_URL: world.database.url },
    folder,
  );
  assert.equal(code, 0, stderr);
  return stdout;
}

type Told = {
  levels: Row[];
  transitions: { from_level: string; to_level: string; change_count: number }[];
  response_times: { period: string; ended_by: 'any'; episode_count: number; median_seconds: number | null }[];
  raised: { count: number; users: Row[] };
  cleared: { count: number; users: Row[] };
  longest_at_high: { user_id: string; duration_seconds: number }[];
  summary: string[];
  caveats: string[];
};

test('JSON, Markdown and HTML agree with the published states, in two time zones, for one account and for all', async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const { from, to } = span();
  let nth = 0;
  for (const chosen of [null, ...pasts.filter(({ oracle }) => oracle.snapshots.length > 0)]) {
    const zone = ZONES[nth++ % ZONES.length]!;
    const asked = ['--from', iso(from), '--to', iso(to), '--timezone', zone];
    if (chosen !== null) asked.push('--account', chosen.accountId);
    const mine = meant(pasts, chosen);
    const told = JSON.parse(await report(...asked, '--format', 'json')) as Told;
    const [markdown, html] = [await report(...asked, '--format', 'md'), await report(...asked)];

    const [begin, end] = [countsAt(mine, from), countsAt(mine, to)];
    assert.deepEqual(
      told.levels.map(({ low, medium, high }) => ({ low, medium, high })),
      [begin, end],
    );
    const changes = expectedViews(mine, createCalendar(zone), to)['level_changes']!.filter((row) => {
      const at = BigInt(String(row['changed_at']));
      return at >= from && at < to;
    });
    const count = (what: (row: Row) => boolean) => changes.filter(what).length;
    const cells = textsBy(html, 'data-cell');
    for (const one of PLACES)
      for (const other of PLACES) {
        const wanted = count(
          (row) => (row['from_level'] ?? 'none') === one && (row['to_level'] ?? 'none') === other,
        );
        const summed = told.transitions
          .filter((row) => row.from_level === one && row.to_level === other)
          .reduce((sum, row) => sum + row.change_count, 0);
        assert.equal(summed, wanted, `${one} to ${other}`);
        if (one !== other && cells[`${one} ${other}`] !== undefined)
          assert.equal(cells[`${one} ${other}`], wanted.toLocaleString('en-US'));
      }
    for (const change of ['raised', 'cleared'] as const)
      assert.equal(
        told[change].count,
        count((row) => row['change'] === change),
      );

    const kept = keptIn(mine, { from, to });
    const any = figuresOf(kept, 'any', DAY_SECONDS);
    const row = told.response_times.find(({ period, ended_by }) => period === 'this' && ended_by === 'any');
    assert.equal(row?.episode_count, any.count);
    assert.equal(row?.median_seconds?.toFixed(3), any.median?.toFixed(3));
    const longest = kept.map(({ seconds }) => seconds).toSorted((a, b) => b - a);
    assert.deepEqual(
      told.longest_at_high.map(({ duration_seconds }) => Math.round(duration_seconds)),
      longest.slice(0, 10).map(Math.round),
    );
    for (const sentence of [...told.summary, ...told.caveats]) {
      assert.ok(markdown.includes(sentence), sentence);
      assert.ok(html.replace(/\s+/g, ' ').includes(sentence), sentence);
    }
    assert.equal(
      told.caveats.some((sentence) => sentence.includes(' was retired on ')),
      chosen?.retiredAt != null && chosen.retiredAt < to,
    );
    for (const level of LEVELS) assert.match(markdown, new RegExp(`^\\| ${level} \\|`, 'm'));
  }
});

test('several accounts are added up', async () => {
  const two = pasts.filter(({ oracle }) => oracle.snapshots.length > 0).slice(0, 2);
  const { to } = span();
  const chosen = two.flatMap(({ accountId }) => ['--account', accountId]);
  const told = JSON.parse(
    await report('--from', '2000-01-01', '--to', iso(to), ...chosen, '--format', 'json'),
  ) as Told;
  const kept = keptIn(two, { from: 0n, to });
  assert.equal(told.response_times[0]?.episode_count, figuresOf(kept, 'any', DAY_SECONDS).count);
});

test('the HTML stands alone: no script, no address, nothing to load', async () => {
  const html = await report('--from', '2000-01-01');
  const parts = html.replace(/<style>[\s\S]*?<\/style>/, '');
  assert.doesNotMatch(parts, /<script|<link|<iframe|<img|src=|href=|https?:/);
  assert.match(html, /<style>[\s\S]*--paper/);
  assert.doesNotMatch(html, /@import|url\((?!"?#)/);
});

test('emails and names are in a report only if they are asked for, and the database allows it', async () => {
  const names = pasts.flatMap(({ oracle }) => oracle.identities.flatMap(({ email }) => email ?? []));
  const shows = (text: string) => names.some((name) => name.length > 8 && text.includes(name));
  for (const format of ['html', 'md', 'json']) {
    assert.ok(!shows(await report('--from', '2000-01-01', '--format', format)), format);
  }
  const told = JSON.parse(await report('--from', '2000-01-01', '--format', 'json', '--identities')) as Told;
  for (const user of [...told.raised.users, ...told.cleared.users, ...told.longest_at_high])
    assert.ok('email' in user && 'name' in user, JSON.stringify(user));
  const denied = await runCommand(
    ['report', '--identities'],
    {
      DATABASE_URL: (world.reader as unknown as { options: { connectionString: string } }).options
        .connectionString,
    },
    folder,
  );
  assert.match(denied.stderr, /IDENTITIES_DENIED/);
  assert.equal(denied.code, 77);
});

test('the file extension of --out chooses the format, and a file gets its name only when it is complete', async () => {
  const file = path.join(folder, 'made', 'one.md');
  assert.match(await report('--out', file), /^Report of .* written to .*one\.md\n$/);
  assert.match(await readFile(file, 'utf8'), /^# Zero Trust user risk: All accounts/);
  assert.deepEqual(await readdir(path.dirname(file)), ['one.md']);
  const full = await runCommand(
    ['report', '--out', '/dev/full/x.html'],
    { DATABASE_URL: world.database.url },
    folder,
  );
  assert.match(full.stderr, /error OUTPUT_FAILED: .*\/dev\/full\/x\.html could not be written \([A-Z]+\)/);
});

test('a period before the history, one that ends before it begins, and no history at all are each explained', async () => {
  assert.match(
    await report('--from', '1999-01-01', '--to', '1999-02-01', '--format', 'md'),
    /There is no snapshot up to the end/,
  );
  const swapped = await runCommand(
    ['report', '--from', 'now', '--to', '7d'],
    { DATABASE_URL: world.database.url },
    folder,
  );
  assert.equal(swapped.code, 64);
  assert.match(swapped.stderr, /TIMES_SWAPPED/);
  const empty = await migratedDatabase();
  try {
    const { stdout, code } = await runCommand(['report'], { DATABASE_URL: empty.url }, folder);
    assert.equal(code, 0);
    assert.match(stdout, /^No account was ever synced here/);
  } finally {
    await empty.close();
  }
});
