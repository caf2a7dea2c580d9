// What the page of changes says: the feed with its filters, the number of changes of each kind, and how much is new
// since a snapshot that the reader has seen.
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import {
  changeFeed,
  type ChangeFilter,
  type ChangeKey,
  type FedChange,
} from '../../queries/levels/change-feed.ts';
import {
  changesAfter,
  seenSnapshot,
  type ChangesAfter,
  type SeenSnapshot,
} from '../../queries/levels/changes-after.ts';
import { feedBegin } from '../../queries/levels/feed-begin.ts';
import { hasClockPerAccount } from '../../queries/health/feed-clock.ts';
import { transitions, type Transition } from '../../queries/levels/transitions.ts';
import { answerTo, type Question } from '../../queries/question.ts';
import { namesOf } from '../../queries/users/names-of.ts';
import { CHANGES, RISK_LEVELS, type Change, type Identity } from '../../user-risk.ts';
import { plural } from '../../words.ts';
import { idsOf, type Scope, type Span } from '../scope.ts';
import { chosenOf, unreadableParameter } from './chosen.ts';

/** Levels of the matrix. */
export const PLACES = ['none', ...RISK_LEVELS] as const;

export type ChangesPage = {
  feed: { question: Question<FedChange>; rows: FedChange[] };
  filter: ChangeFilter;
  matrix: { question: Question<Transition>; rows: Transition[] };
  /** Null: the address names no snapshot. */
  since: (ChangesAfter & { snapshotId: number; observed_at: string | null }) | null;
  /** Null before the first, and for several accounts of a distributed history. */
  newestId: number | null;
  /** In a distributed history, the account that numbered the snapshot. */
  newestOf: string | null;
  /** Only if the request asked for them. */
  names: ReadonlyMap<string, Identity>;
};

export type ChangesAsked = {
  filter: ChangeFilter;
  sinceId: number | null;
  after: ChangeKey | null;
  /** One row more shows whether others follow. */
  most: number;
  identities: boolean;
};

export async function changesPageOf(db: Db, scope: Scope, asked: ChangesAsked): Promise<ChangesPage> {
  const { filter, sinceId, after, most, identities } = asked;
  const ids = idsOf(scope);
  const question = changeFeed(ids, await feedSpan(db, scope, asked), filter, after, most);
  const rows = await answerTo(db, question);
  const counts = transitions(ids, scope.span);
  const ordered = await inOneOrder(db, scope);
  if (ordered === undefined && sinceId !== null) throw accountMissing();
  const [seen] = ordered === undefined ? [] : await answerTo(db, seenSnapshot(ordered, sinceId));
  return {
    feed: { question, rows },
    filter,
    matrix: { question: counts, rows: await answerTo(db, counts) },
    since: sinceId === null ? null : await newsSince(db, ids, sinceId, seen),
    newestId: seen?.newest_id ?? null,
    newestOf: ordered?.[0] ?? null,
    names: identities ? await namesOf(db, rows) : new Map(),
  };
}

/**
 * The accounts with snapshots in one order. That is all accounts (null), or in a distributed history the chosen
 * account. Undefined: a distributed history without a chosen account.
 */
async function inOneOrder(db: Db, { chosen }: Scope): Promise<readonly string[] | null | undefined> {
  if (!(await hasClockPerAccount(db))) return null;
  return chosen === null ? undefined : [chosen.account_id];
}

function accountMissing(): OperatorError {
  return new OperatorError({
    code: 'SCOPE_INVALID',
    happened: 'The parameter since of this address names a snapshot without its account',
    means: 'In a distributed history, each account numbers its own snapshots',
    todo: 'Name the account in the parameter account, or leave since out',
  });
}

async function newsSince(
  db: Db,
  ids: readonly string[] | null,
  snapshotId: number,
  seen: SeenSnapshot | undefined,
): Promise<ChangesPage['since']> {
  const known = { snapshotId, observed_at: seen?.observed_at ?? null };
  const nothing = { ...known, change_count: 0, user_count: 0 };
  if (seen?.next_at == null) return nothing;
  const [counts] = await answerTo(db, changesAfter(ids, snapshotId, seen.next_at));
  return { ...nothing, ...counts };
}

/**
 * The part of the span that holds one page. With a filter by level, too few changes remain to know where that part
 * begins.
 */
export async function feedSpan(
  db: Db,
  scope: Scope,
  { filter, after, most }: Pick<ChangesAsked, 'filter' | 'after' | 'most'>,
): Promise<Pick<Span, 'from' | 'to'>> {
  const { span } = scope;
  if (filter.from_level !== null || filter.to_level !== null) return span;
  const before = after?.[0] ?? null;
  const [begin] = await answerTo(db, feedBegin(idsOf(scope), span, filter.change, before, most));
  return begin?.at == null ? span : { from: new Date(begin.at), to: span.to };
}

type Text = (name: string) => string | null | undefined;

/** Pure. Throws SCOPE_INVALID. */
export function changeFilterOf(text: Text): ChangeFilter {
  return {
    change: chosenOf('change', text('change'), CHANGES),
    from_level: chosenOf('from_level', text('from_level'), PLACES),
    to_level: chosenOf('to_level', text('to_level'), PLACES),
  };
}

/** Pure. Throws SCOPE_INVALID. */
export function sinceIdOf(text: string | null): number | null {
  if (!text) return null;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw unreadableParameter('since', 'the number of a snapshot');
}

/** How many changes pass the filter. Pure. */
export function countOf(rows: readonly Transition[], filter: Partial<ChangeFilter> = {}): number {
  const fits = (row: Transition) =>
    (filter.change == null || row.change === filter.change) &&
    (filter.from_level == null || row.from_level === filter.from_level) &&
    (filter.to_level == null || row.to_level === filter.to_level);
  return rows.reduce((sum, row) => sum + (fits(row) ? row.change_count : 0), 0);
}

const DID: Readonly<Record<Change, readonly [one: string, many: string]>> = {
  raised: ['rose', 'rose'],
  appeared: ['appeared', 'appeared'],
  returned: ['came back', 'came back'],
  lowered: ['fell', 'fell'],
  cleared: ['was cleared', 'were cleared'],
};

/** "38 changes in the last 7 days: 12 rose, 26 were cleared." Pure. */
export function changesHeadline(rows: readonly Transition[], span: string): string {
  const all = countOf(rows);
  if (all === 0) return `No change ${span}.`;
  const kinds = (Object.keys(DID) as Change[]).flatMap((change) => {
    const count = countOf(rows, { change });
    return count === 0 ? [] : [`${count.toLocaleString('en-US')} ${DID[change][count === 1 ? 0 : 1]}`];
  });
  return `${plural(all, 'change')} ${span}: ${kinds.join(', ')}.`;
}
