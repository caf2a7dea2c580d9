// The two moments of a comparison: times, or snapshots. A named snapshot also determines its account.
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import type { KnownAccount } from '../../queries/accounts/known-accounts.ts';
import { findSnapshots, type FoundSnapshot } from '../../queries/snapshots/find-snapshots.ts';
import { parseWhen, type Clock } from '../../time/when.ts';
import { timeOf } from './times.ts';

type MomentOption = { name: string; text: string };
/** In a distributed history, several accounts may have a snapshot of this id. */
type Moment = { kind: 'time'; at: Date } | { kind: 'snapshots'; id: number; found: FoundSnapshot[] };
/** `accountKey` null: no snapshot was named. */
export type Moments = { from: Date; to: Date; accountKey: number | null };

/** Throws SNAPSHOT_NOT_FOUND, SNAPSHOTS_UNRELATED, SNAPSHOT_AMBIGUOUS, TIME_IN_FUTURE. */
export async function momentsOf(
  db: Db,
  [from, to]: readonly [MomentOption, MomentOption],
  clock: Clock,
  known: readonly KnownAccount[],
): Promise<Moments> {
  const begin = await momentOf(db, from, clock, known);
  return chooseAccount(begin, await momentOf(db, to, clock, known));
}

async function momentOf(
  db: Db,
  { name, text }: MomentOption,
  clock: Clock,
  known: readonly KnownAccount[],
): Promise<Moment> {
  const when = parseWhen(text, clock);
  if (when?.kind !== 'snapshot') return { kind: 'time', at: timeOf(name, text, clock) };
  const all = await findSnapshots(db, when.id);
  const keys = new Set(known.map(({ account_key }) => account_key));
  const found = all.filter(({ account_key }) => keys.has(account_key));
  if (found.length === 0) throw notFound(when.id, all.length > 0);
  return { kind: 'snapshots', id: when.id, found };
}

/** Pure. */
export function chooseAccount(from: Moment, to: Moment): Moments {
  const named = [from, to].flatMap((one) => (one.kind === 'snapshots' ? [one] : []));
  const [first, ...others] = named;
  if (first === undefined) return { from: atOf(from, null), to: atOf(to, null), accountKey: null };
  const keys = first.found
    .map(({ account_key }) => account_key)
    .filter((key) => others.every(({ found }) => found.some(({ account_key }) => account_key === key)));
  const [accountKey] = keys;
  if (accountKey === undefined) throw unrelated();
  if (keys.length > 1) throw ambiguous(first.id, keys.length);
  return { from: atOf(from, accountKey), to: atOf(to, accountKey), accountKey };
}

function atOf(moment: Moment, accountKey: number | null): Date {
  if (moment.kind === 'time') return moment.at;
  return moment.found.find(({ account_key }) => account_key === accountKey)!.observed_at;
}

function notFound(id: number, isOfAnother: boolean): OperatorError {
  return new OperatorError({
    code: 'SNAPSHOT_NOT_FOUND',
    happened: `There is no snapshot ${id}${isOfAnother ? ' of this account' : ''}`,
    means:
      'Some numbers have no snapshot: runs that publish nothing use numbers up, and pruning removes old snapshots',
    todo: '`zt-risk-sync status --format json` shows the snapshot of each run; or give a time instead',
  });
}

function unrelated(): OperatorError {
  return new OperatorError({
    code: 'SNAPSHOTS_UNRELATED',
    happened: 'The two snapshots belong to different accounts',
    means: 'Users of different accounts cannot be compared',
    todo: 'Give two snapshots of one account, or times',
  });
}

function ambiguous(id: number, accounts: number): OperatorError {
  return new OperatorError({
    code: 'SNAPSHOT_AMBIGUOUS',
    happened: `${accounts} accounts have a snapshot ${id}`,
    means: 'In a distributed history, each account numbers its own snapshots',
    todo: 'Name the account with --account, or give times instead',
  });
}
