// What `status --run` says about a run: with evidence of this version, evidence of earlier versions, and failures.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { explainLookups } from '../../../src/answers/runs/explain-lookups.ts';
import { explainRun } from '../../../src/answers/runs/explain-run.ts';
import { Lookups } from '../../../src/evidence.ts';
import type { Run } from '../../../src/queries/runs/list-runs.ts';

const RUN: Run = {
  account_key: 1,
  account_id: '1'.repeat(32),
  run_id: 41,
  trigger: 'cron',
  scheduled_for: '2026-01-01 10:00:00+00',
  status: 'succeeded',
  verdict: 'complete',
  started_at: '2026-01-01 10:00:03+00',
  finished_at: '2026-01-01 10:00:09.2+00',
  host: 'worker-1',
  passes: 2,
  expected_unseen: 0.0123,
  pages: 26,
  requests: 30,
  retries: 2,
  bytes: 1_234_567,
  users_met: 1_200,
  duplicates: 0,
  rejected: 0,
  total_first: 1_200,
  total_last: 1_200,
  lookups: 0,
  evidence: {
    paging: { page: 'honoured', per_page: 'clamped', asked_per_page: 1000, page_size: 50, totals: true },
    reasons: [],
    repeated_pages: 0,
  },
  error_code: null,
  error_message: null,
  snapshot_id: 37,
  feed_id: 37,
};

/** One fact per line. A line without a name repeats the name of the line before. */
const told = (over: Partial<Omit<Run, 'evidence'>> & { evidence?: object }): string =>
  explainRun({ ...RUN, ...over })
    .map(([name, text]) => `${name}: ${text}`)
    .join('\n');

describe('explainRun', () => {
  it('describes a complete run', () => {
    assert.equal(
      told({}),
      `run: 41 of account ${'1'.repeat(32)}
result: succeeded, complete: snapshot 37
when: 2026-01-01 10:00 UTC, took 6.2 s; started by cron, for the slot of 2026-01-01 10:00 UTC, on host worker-1
walk: 2 passes, 26 pages, 30 requests (2 of them retries), 1.2 MB
met: 1,200 users; the server stated a total of 1,200
unseen: comparing the passes, about 0.012 present users were missed by all of them
paging: 1,000 a page were requested, and at most 50 came; the server returns the requested page; it states totals`,
    );
  });

  it('describes a partial run: every reason, both totals, duplicate records', () => {
    const text = told({
      verdict: 'partial',
      duplicates: 3,
      total_first: 440,
      total_last: 438,
      expected_unseen: null,
      rejected: 2,
      evidence: {
        ...RUN.evidence,
        reasons: ['3 records came twice', 'the total changed'],
        repeated_pages: 1,
        unreadable_records: 1,
        lookups: {
          state: 'working',
          missing: 12,
          asked: 9,
          waiting: 3,
          level: 2,
          reset: 5,
          no_level: 0,
          not_found: 2,
        },
      },
    });
    assert.match(text, /^partial: 3 records came twice\n: the total changed$/m);
    assert.match(
      text,
      /the server stated a total of 440 at first and of 438 at the end\n: 3 records came twice\n: 1 page repeated an earlier one$/m,
    );
    assert.match(
      text,
      /^absent: 12 users were not met: 9 asked, 7 gone \(5 reset, 2 not found\), 2 still there, 3 wait for the next run; the control passed/m,
    );
    assert.match(
      text,
      /^rejected: 2 records, 1 of them without a readable user: zt-risk-sync rejected list$/m,
    );
    assert.doesNotMatch(text, /^unseen/m);
  });

  it('describes a run of several passes on a server whose paging changed', () => {
    const text = told({
      evidence: {
        paging: { page: 'honoured', per_page: 'honoured', asked_per_page: 50, page_size: 50, totals: false },
        paging_changed: ['totals'],
        passes: [
          { records: 440, met: 437, duplicates: 3, total_first: null, total_last: null },
          {
            records: 440,
            met: 438,
            duplicates: 2,
            total_first: null,
            total_last: null,
            met_before: 436,
            met_first: 2,
          },
        ],
      },
    });
    assert.match(
      text,
      /^walk: .*\n: pass 1 met 437 users\n: pass 2 met 438 users, 2 of them for the first time\nmet:/m,
    );
    assert.match(text, /it states no totals; different from the run before: totals$/m);
  });

  it('describes a run that a guard made partial', () => {
    const text = told({
      status: 'failed',
      verdict: 'partial',
      error_code: 'MASS_CLEAR',
      error_message: 'Most are gone.',
    });
    assert.match(
      text,
      /^result: failed, partial: snapshot 37\npartial: the walk was complete; a guard kept/m,
    );
    assert.match(text, /^error: MASS_CLEAR\n: Most are gone\.$/m);
  });

  it('describes a run that failed at its first request, and a run whose process died', () => {
    const nothing = {
      verdict: null,
      snapshot_id: null,
      pages: 0,
      users_met: 0,
      total_first: null,
      total_last: null,
      expected_unseen: null,
      evidence: {},
    };
    const failed = told({ ...nothing, status: 'failed', error_code: 'NETWORK', error_message: null });
    assert.match(failed, /^result: failed: nothing was published\nerror: NETWORK\nwhen:/m);
    assert.doesNotMatch(failed, /^(met|paging|partial)/m);
    assert.match(
      told({ ...nothing, status: 'abandoned' }),
      /^result: abandoned \(its process died\): nothing was published$/m,
    );
  });

  it('describes a run on a server that ignored paging and stated no total', () => {
    const text = told({
      total_first: null,
      total_last: null,
      expected_unseen: 0,
      evidence: {
        paging: { page: 'ignored', per_page: 'ignored', asked_per_page: 50, page_size: 120, totals: false },
        one_response: true,
      },
    });
    assert.match(text, /^met: 1,200 users; the server stated no total$/m);
    assert.match(text, /^unseen: the passes met the same users/m);
    assert.match(
      text,
      /^paging: 50 a page were requested, and the server ignored it, and the first page held 120 records; the server ignores the page number; it states no totals$/m,
    );
  });

  it('describes refused page sizes, and an end that was refused', () => {
    const paging = { page: 'honoured', asked_per_page: 1000, page_size: 25, totals: true };
    const kept = (per_page: number) =>
      told({
        evidence: {
          paging,
          page_size: { per_page, tried_at: '2026-01-01T10:00:00Z' },
          refused_end: 'CLOUDFLARE_7003',
        },
      });
    assert.match(kept(25), /; larger pages failed, so 25 a page were requested in the end; /);
    assert.match(kept(0), /; larger pages failed, so the server decided the page size; /);
    assert.match(kept(25), /; the page after the last one was refused \(CLOUDFLARE_7003\)$/m);
  });

  it('accepts any evidence', () => {
    for (const evidence of [
      {},
      { first_page_size: 50, repeated_pages: 0 },
      { reasons: 'none', paging: 7, lookups: [], unknown_fields: [1] },
      { paging: {}, lookups: {}, page_size: 25, refused_end: 404 },
      { lookups: { state: 'something new', asked: 'two' } },
    ] as object[]) {
      const text = told({ evidence });
      assert.match(text, /^met: 1,200 users/m);
      assert.doesNotMatch(text, /undefined|NaN|\[object|null/);
    }
  });
});

describe('explainRun on absent users', () => {
  const words = (lookups: object) => explainLookups(Lookups.parse(lookups));

  it('says that the budget allowed no lookups', () => {
    assert.match(
      words({ state: 'working', missing: 1, waiting: 1 }),
      /^1 user was not met: 0 asked, 1 wait for the next run;/,
    );
  });

  it('says that lookups are off, refused, unanswered or contradicted', () => {
    const all = { missing: 3, waiting: 3 };
    assert.equal(
      words({ ...all, state: 'off' }),
      '3 users were not met; the API is not asked about them (SYNC_CONFIRM=walks): users are cleared after two complete walks without them',
    );
    assert.match(
      words({ ...all, state: 'refused' }),
      /^3 users were not met; the API refused .*two complete walks/,
    );
    assert.match(
      words({ ...all, state: 'unanswered', asked: 3, no_level: 3 }),
      /^3 users were not met; the API gave no usable answer about them, and the next run asks again$/,
    );
    assert.match(words({ ...all, state: 'control_failed' }), /^3 users were not met; the control failed/);
  });

  it('says that some answers could not be read', () => {
    assert.match(
      words({ state: 'working', missing: 9, asked: 7, waiting: 2, level: 1, reset: 3, unreadable: 3 }),
      /: 7 asked, 3 gone \(3 reset\), 1 still there, 3 with an answer that is unreadable or contradicts itself, 2 wait for the next run;/,
    );
    assert.match(
      words({ state: 'working', missing: 4, asked: 4, no_level: 3, not_found: 1 }),
      /: 4 asked, 1 gone \(1 not found\), 3 without a level and without a reset \(cleared after two complete walks\);/,
    );
  });

  it('says that records insist on a level', () => {
    assert.match(
      words({ state: 'working', missing: 1, asked: 1, level: 1, insisting: 1 }),
      /1 own record still shows a level after five complete walks without the user$/,
    );
  });
});
