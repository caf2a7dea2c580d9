// How fresh and how reliable the data is, in words. Pure.
import type { NewestSnapshot } from '../queries/snapshots/newest-snapshots.ts';
import { localMinute, type Clock } from '../time/when.ts';
import { ago, plural } from '../words.ts';

/** What the server knows of its schedule. */
export type Serving = {
  /** Null: there is none. */
  nextSlot: Date | null;
  /** Age from which a snapshot is stale. */
  staleAfterMs: number;
};

export type Freshness = {
  /** The worst verdict of all accounts. */
  state: 'fresh' | 'partial' | 'stale' | 'none' | 'retired';
  sentences: string[];
};

type SyncedAccount = NewestSnapshot & { observed_at: string };

export function freshness(newest: readonly NewestSnapshot[], serving: Serving, clock: Clock): Freshness {
  const next = nextRun(serving.nextSlot, clock);
  const [only] = newest;
  if (newest.length === 1 && only?.retired_at) return ofRetired(only, only.retired_at, clock);
  const met = newest.filter((one): one is SyncedAccount => one.observed_at !== null);
  const first = serving.nextSlot === null ? [] : [`The first run is ${when(serving.nextSlot, clock)}.`];
  if (newest.length === 0)
    return { state: 'none', sentences: ['No account was ever synced here.', ...first] };
  if (met.length === 0) return { state: 'none', sentences: [...first, ...failed(newest)] };
  const stale = met.filter(
    ({ observed_at }) => clock.now.getTime() - Date.parse(observed_at) > serving.staleAfterMs,
  );
  const partial = met.filter(({ verdict }) => verdict === 'partial');
  const state = stale.length > 0 ? 'stale' : partial.length > 0 ? 'partial' : 'fresh';
  const sentences = newest.length === 1 ? [ofOne(met[0]!, clock)] : ofMany(newest, met, partial, clock);
  if (stale.length > 0)
    sentences.push(
      newest.length === 1 ? 'It is stale.' : `${plural(stale.length, 'account is', 'accounts are')} stale.`,
    );
  return { state, sentences: [...sentences, ...failed(newest), ...next] };
}

function ofRetired({ observed_at }: NewestSnapshot, retiredAt: string, { timezone }: Clock): Freshness {
  const day = localMinute(retiredAt, timezone).slice(0, 10);
  const last =
    observed_at === null
      ? 'It has no snapshot'
      : `Its newest snapshot is of ${localMinute(observed_at, timezone)}`;
  return { state: 'retired', sentences: [`This account was retired on ${day}. ${last}.`] };
}

function ofOne({ snapshot_id, observed_at, ...one }: SyncedAccount, { now }: Clock): string {
  const head = `Snapshot ${snapshot_id}, ${ago(observed_at, now.getTime())}`;
  return `${head}, ${one.verdict}: ${sure(one)}.`;
}

/**
 * Accounts with a failed newest run, then accounts without a snapshot, then the oldest, then the partial ones. Pure.
 */
export function gravestFirst(newest: readonly NewestSnapshot[]): NewestSnapshot[] {
  const grave = ({ run_status, observed_at, verdict }: NewestSnapshot) =>
    run_status !== null && run_status !== 'succeeded'
      ? 0
      : observed_at === null
        ? 1
        : verdict === 'partial'
          ? 2
          : 3;
  return newest.toSorted(
    (a, b) => grave(a) - grave(b) || (a.observed_at ?? '').localeCompare(b.observed_at ?? ''),
  );
}

/** What a verdict means for the figures. */
export function sure({
  verdict,
  expected_unseen,
}: Pick<NewestSnapshot, 'verdict' | 'expected_unseen'>): string {
  if (verdict !== 'partial') return 'every present user was met';
  const about =
    expected_unseen === null ? 'some users' : `about ${plural(Math.round(expected_unseen), 'user')}`;
  return `${about} may have been missed and keep their last known level`;
}

function ofMany(
  all: readonly NewestSnapshot[],
  met: readonly SyncedAccount[],
  partial: readonly SyncedAccount[],
  { now }: Clock,
): string[] {
  const oldest = met.reduce((a, b) => (b.observed_at < a.observed_at ? b : a));
  const sentences = [
    `${plural(all.length, 'account')}; the oldest state is ${ago(oldest.observed_at, now.getTime())}.`,
    partial.length === 0
      ? 'All are complete: every present user was met.'
      : `${plural(partial.length, 'account is', 'accounts are')} partial: some users may have been missed.`,
  ];
  const without = all.length - met.length;
  if (without > 0) sentences.push(`${plural(without, 'account has', 'accounts have')} no snapshot yet.`);
  return sentences;
}

function failed(newest: readonly NewestSnapshot[]): string[] {
  const broken = newest.filter(({ run_status }) => run_status !== null && run_status !== 'succeeded');
  if (broken.length === 0) return [];
  if (newest.length > 1) return [`The newest run of ${plural(broken.length, 'account')} failed.`];
  const [{ run_status, error_code }] = broken as [NewestSnapshot];
  return [
    `The newest run ${run_status === 'abandoned' ? 'was abandoned' : 'failed'}${error_code ? ` (${error_code})` : ''}.`,
  ];
}

function nextRun(at: Date | null, clock: Clock): string[] {
  return at === null ? [] : [`Next run ${when(at, clock)}.`];
}

/** "at 18:00", or "on 2026-12-01 at 00:00" if that is another day. */
function when(at: Date, { now, timezone }: Clock): string {
  const [day, time] = localMinute(at, timezone).split(' ') as [string, string];
  return localMinute(now, timezone).startsWith(day) ? `at ${time}` : `on ${day} at ${time}`;
}
