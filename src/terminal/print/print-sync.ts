// The result of `sync` for one account: the contract of --json, and the same as text.
import type { LevelCount } from '../../queries/levels/levels-of-snapshot.ts';
import type { SyncOutcome } from '../../sync/request-sync.ts';
import { CHANGES } from '../../user-risk.ts';
import { duration, plural } from '../../words.ts';
import { paintLevels } from '../colour.ts';
import type { View } from '../view.ts';
import { headLines, wrap } from '../wrap.ts';

const NUMBERS = [
  'snapshot_id',
  'run_id',
  'users',
  'met',
  'carried',
  ...CHANGES,
  'rejected',
  'duplicates',
  'pages',
  'passes',
  'expected_unseen',
  'requests',
  'retries',
  'duration_ms',
  'renamed',
  'activity_changed',
] as const;

export type SyncLine = Record<(typeof NUMBERS)[number], number | null> & {
  account_id: string;
  status: string;
  verdict: string | null;
  error?: { code: string; message: string };
};

/** The values before anything is known. The order of the keys is that of the output. */
export function emptyLine(accountId: string, status: string): SyncLine {
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, null]));
  return {
    account_id: accountId,
    status,
    verdict: null,
    ...(numbers as Record<(typeof NUMBERS)[number], null>),
  };
}

/** The contract of `sync --json`. */
export function syncLine(accountId: string, outcome: SyncOutcome, durationMs: number): SyncLine {
  if (outcome.kind !== 'ran') {
    const runId = outcome.kind === 'already_running' ? outcome.holder.runId : outcome.runId;
    return {
      ...emptyLine(accountId, outcome.kind === 'already_running' ? 'already_running' : 'succeeded'),
      run_id: runId,
      duration_ms: Math.round(durationMs),
    };
  }
  const { published, facts, error, expectedUnseen } = outcome.result;
  return {
    ...emptyLine(accountId, error !== null ? 'failed' : outcome.dryRun ? 'dry_run' : 'succeeded'),
    verdict: published?.verdict ?? null,
    snapshot_id: published?.snapshotId ?? null,
    run_id: outcome.runId,
    users: published?.users ?? null,
    met: published?.met ?? null,
    carried: published?.carried ?? null,
    appeared: published?.appeared ?? null,
    raised: published?.raised ?? null,
    lowered: published?.lowered ?? null,
    cleared: published?.cleared ?? null,
    returned: published?.returned ?? null,
    rejected: facts.rejected,
    duplicates: facts.duplicates,
    pages: facts.pages,
    passes: facts.passes,
    expected_unseen: expectedUnseen,
    requests: facts.requests,
    retries: facts.retries,
    duration_ms: Math.round(durationMs),
    renamed: published?.renamed ?? null,
    activity_changed: published?.activityChanged ?? null,
    ...(error === null ? {} : { error: { code: error.code, message: error.message } }),
  };
}

export type SyncMore = {
  /** Counts of the new snapshot. Empty without one. */
  levels: readonly LevelCount[];
  isDryRun: boolean;
  /** Published, or counted by a dry run. */
  isPublished: boolean;
  /** Why the walk is partial. */
  reasons: readonly string[];
  /** The holder of the account, if another run holds it. */
  holder: { runId: number; startedAt: Date | string; host: string } | null;
};

/** No line for a run that failed: its error says everything. */
export function syncLines(line: SyncLine, more: SyncMore, view: View): string[] {
  const { account_id: account, holder } = { ...line, holder: more.holder };
  if (holder !== null)
    return [
      `${account}  already running: run ${holder.runId} since ${view.time(holder.startedAt)} on host ${holder.host}`,
    ];
  if (line.pages === null) return [`${account}  this slot is done: run ${line.run_id}`];
  if (!more.isPublished) return [];
  const what = more.isDryRun ? 'dry run, nothing was published' : `snapshot ${line.snapshot_id}`;
  return [
    ...headLines(account, `${what}  ${line.verdict}  ${plural(line.users ?? 0, 'user')}`, view.width),
    ...levelsLine(more.levels, view),
    `  ${wrap(changes(line), 2, view.textWidth)}`,
    ...carried(line),
    ...reasons(line, more.reasons).map((text) => `  ${wrap(text, 4, view.textWidth)}`),
    `  run ${line.run_id}: ${plural(line.requests ?? 0, 'request')}, ${plural(line.passes ?? 0, 'pass', 'passes')}, ${duration(line.duration_ms ?? 0)}`,
  ];
}

function levelsLine(levels: readonly LevelCount[], { paint }: View): string[] {
  if (levels.length === 0) return [];
  const texts = levels.map((level) => `${level.max_risk_level} ${count(level.user_count)}`);
  return [`  ${paintLevels(paint, texts.join('   '))}`];
}

/** What happened to users. "Nothing" only if no row of a user was written. */
function changes(line: SyncLine): string {
  const kinds = [
    ...CHANGES.map((kind) => ({ name: kind, number: line[kind] ?? 0 })),
    { name: 'renamed', number: line.renamed ?? 0 },
    { name: 'new activity', number: line.activity_changed ?? 0 },
  ].filter(({ number }) => number > 0);
  return kinds.length === 0
    ? 'nothing changed'
    : kinds.map(({ name, number }) => `${name} ${count(number)}`).join(', ');
}

function carried({ carried: users, rejected }: SyncLine): string[] {
  return [
    ...((users ?? 0) > 0 ? [`  carried ${count(users ?? 0)} (present, not met by this walk)`] : []),
    ...((rejected ?? 0) > 0
      ? [`  rejected ${plural(rejected ?? 0, 'record')}: zt-risk-sync rejected list`]
      : []),
  ];
}

function reasons({ verdict }: SyncLine, texts: readonly string[]): string[] {
  return verdict === 'partial' ? texts.map((text) => `partial: ${text}`) : [];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
