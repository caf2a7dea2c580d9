// Explains a finished run: how it ended, why it is partial, how the server paged, what happened to the users it did not
// meet. Pure. Any part of the evidence may be missing: earlier versions kept less, and a failed run may have kept none.
import { readEvidence, type Evidence } from '../../evidence.ts';
import type { Run } from '../../queries/runs/list-runs.ts';
import { explainLookups } from './explain-lookups.ts';
import { minute } from '../../time/when.ts';
import { duration, plural } from '../../words.ts';

/** A short name, and a sentence or two. */
export type Fact = [name: string, text: string];

/** `time` writes an instant. */
export function explainRun(run: Run, time: (at: string) => string = minute): Fact[] {
  const evidence = readEvidence(run.evidence);
  return [
    ['run', `${run.run_id} of account ${run.account_id}`],
    ['result', result(run)],
    ...why(run, evidence),
    ...error(run),
    ['when', when(run, time)],
    ['walk', walk(run)],
    ...passes(evidence),
    ...met(run, evidence),
    ...unseen(run),
    ...paging(evidence),
    ...(evidence.lookups === undefined ? [] : [['absent', explainLookups(evidence.lookups)] satisfies Fact]),
    ...records(run, evidence),
  ];
}

function result(run: Run): string {
  const published = run.snapshot_id === null ? 'nothing was published' : `snapshot ${run.snapshot_id}`;
  const verdict = run.verdict === null ? '' : `, ${run.verdict}`;
  return `${run.status}${run.status === 'abandoned' ? ' (its process died)' : ''}${verdict}: ${published}`;
}

function why(run: Run, { reasons }: Evidence): Fact[] {
  if (reasons !== undefined && reasons.length > 0)
    return reasons.map((reason, index) => [
      index > 0 ? '' : run.verdict === null ? 'doubts' : 'partial',
      reason,
    ]);
  if (run.verdict === 'partial' && run.error_code !== null)
    return [['partial', 'the walk was complete; a guard kept the users it did not meet (see error)']];
  return [];
}

function error(run: Run): Fact[] {
  if (run.error_code === null) return [];
  return [
    ['error', run.error_code],
    ...(run.error_message === null ? [] : [['', run.error_message] satisfies Fact]),
  ];
}

function when(run: Run, time: (at: string) => string): string {
  const took = duration(Date.parse(run.finished_at) - Date.parse(run.started_at));
  const slot = run.scheduled_for === null ? '' : `, for the slot of ${time(run.scheduled_for)}`;
  return `${time(run.started_at)}, took ${took}; started by ${run.trigger}${slot}, on host ${run.host}`;
}

function walk(run: Run): string {
  const retries = run.retries === 0 ? '' : ` (${run.retries.toLocaleString('en-US')} of them retries)`;
  return [
    plural(run.passes, 'pass', 'passes'),
    plural(run.pages, 'page'),
    `${plural(run.requests, 'request')}${retries}`,
    size(run.bytes),
  ].join(', ');
}

/** Passes are kept as evidence only if there were several. */
function passes({ passes = [] }: Evidence): Fact[] {
  return passes.map(({ met, met_first: first = 0 }, index) => [
    '',
    `pass ${index + 1} met ${plural(met, 'user')}${index === 0 ? '' : `, ${first.toLocaleString('en-US')} of them for the first time`}`,
  ]);
}

function met(run: Run, evidence: Evidence): Fact[] {
  if (run.pages === 0) return [];
  const facts: Fact[] = [['met', `${plural(run.users_met, 'user')}; ${totals(run, evidence)}`]];
  if (run.duplicates > 0) facts.push(['', `${plural(run.duplicates, 'record')} came twice`]);
  const repeated = evidence.repeated_pages ?? 0;
  if (repeated > 0) facts.push(['', `${plural(repeated, 'page')} repeated an earlier one`]);
  return facts;
}

function totals({ total_first: first, total_last: last }: Run, evidence: Evidence): string {
  const number = (n: number) => n.toLocaleString('en-US');
  if (first === null && last === null)
    return evidence.paging?.totals === true ? 'the total is not known' : 'the server stated no total';
  if (first === last || first === null || last === null)
    return `the server stated a total of ${number(last ?? first ?? 0)}`;
  return `the server stated a total of ${number(first)} at first and of ${number(last)} at the end`;
}

function unseen(run: Run): Fact[] {
  if (run.expected_unseen === null) return [];
  const estimate = run.expected_unseen;
  const text =
    estimate === 0
      ? 'the passes met the same users: none is expected to be missing'
      : `comparing the passes, ${estimate < 0.001 ? 'less than 0.001' : `about ${estimate.toPrecision(2)}`} present users were missed by all of them`;
  return [['unseen', text]];
}

function paging({
  paging: p,
  paging_changed: changed = [],
  one_response: whole,
  first_page_size: first,
  page_size: kept,
  refused_end: refused,
}: Evidence): Fact[] {
  if (p === undefined || Object.keys(p).length === 0)
    return first === undefined ? [] : [['paging', `the first page held ${plural(first, 'record')}`]];
  const size = p.page_size ?? first;
  const held = size === undefined ? '' : `, and the first page held ${plural(size, 'record')}`;
  const asked =
    p.asked_per_page === undefined
      ? 'a page size was requested'
      : `${p.asked_per_page.toLocaleString('en-US')} a page were requested`;
  const how =
    p.per_page === 'clamped'
      ? `${asked}, and at most ${size?.toLocaleString('en-US') ?? 'fewer'} came`
      : p.per_page === 'ignored'
        ? `${asked}, and the server ignored it${held}`
        : `${asked}${held}`;
  const page =
    p.page === 'ignored'
      ? 'the server ignores the page number'
      : p.page === 'honoured'
        ? 'the server returns the requested page'
        : whole === true
          ? 'the whole account came in one response'
          : null;
  const stated = p.totals === undefined ? null : p.totals ? 'it states totals' : 'it states no totals';
  const smaller =
    kept === undefined
      ? null
      : `larger pages failed, so ${kept.per_page === 0 ? 'the server decided the page size' : `${kept.per_page} a page were requested in the end`}`;
  const end = refused === undefined ? null : `the page after the last one was refused (${refused})`;
  const differs = changed.length === 0 ? null : `different from the run before: ${changed.join(', ')}`;
  return [['paging', [how, smaller, page, stated, end, differs].filter((part) => part !== null).join('; ')]];
}

function records(run: Run, e: Evidence): Fact[] {
  const facts: Fact[] = [];
  if (run.rejected > 0) {
    const unreadable = e.unreadable_records ?? 0;
    const which =
      unreadable > 0 ? `, ${unreadable.toLocaleString('en-US')} of them without a readable user` : '';
    facts.push(['rejected', `${plural(run.rejected, 'record')}${which}: zt-risk-sync rejected list`]);
    for (const [reason, count] of Object.entries(e.rejected_not_kept ?? {}))
      facts.push(['', `only counted: ${plural(count, 'record')} (${reason})`]);
  }
  const without = [
    ...((e.records_without_email ?? 0) > 0
      ? [`${plural(e.records_without_email ?? 0, 'record')} without an email`]
      : []),
    ...((e.records_without_name ?? 0) > 0
      ? [`${plural(e.records_without_name ?? 0, 'record')} without a name`]
      : []),
    ...((e.unknown_fields?.length ?? 0) > 0
      ? [`fields that this version does not know: ${e.unknown_fields?.join(', ')}`]
      : []),
  ];
  if (without.length > 0) facts.push(['noted', without.join('; ')]);
  return facts;
}

function size(bytes: number): string {
  if (bytes < 1_000) return plural(bytes, 'byte');
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(0)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
