// The list of accounts that `serve` syncs, which may change while it runs: read again at each slot from a file or from
// the API. Says what changed, and keeps the last good list while it cannot be read.
import type { AccountFile } from '../account-file.ts';
import { isOperatorError, OperatorError } from '../errors.ts';
import { errorFields, type Logger } from '../logger.ts';
import { followList, NOBODY, type Followed, type ListStep } from './follow-list.ts';
import { createListTrust, type ListTiming } from './list-trust.ts';
import type { ListReading } from './reading.ts';

export type ListSource =
  | { kind: 'variable' }
  | { kind: 'file'; read: () => AccountFile }
  /** Rejects when the process stops. */
  | { kind: 'token'; read: () => Promise<ListReading> };

export type ListState = {
  /** Accounts that are synced. */
  synced: number;
  /** Accounts that were synced until the list of the token no longer showed them. */
  unlisted: number;
  /** When the list was last read and trusted, in milliseconds since 1970; null: never, or it never changes. */
  readAt: number | null;
};

export type AccountList = {
  ids(): readonly string[];
  /** Whether people have named the accounts. */
  isByName: boolean;
  /** Reads the list again if it is time: a file at once, the list of the token in the background. */
  refresh(slot: { at: Date } | null): void;
  state(): ListState;
};

const TIMING: ListTiming = { freshMs: 300_000, retryMs: 5_000, longestRetryMs: 300_000 };
const PATIENCE = { variable: 1, file: 1, token: 2 } as const;
/** Of more, the log says the number alone. */
const MOST_NAMED = 100;

type ListDeps = {
  source: ListSource;
  /** The accounts that are known at the start. */
  first: readonly string[];
  /** --account: no others are synced, whatever the list says. */
  only: ReadonlySet<string> | null;
  logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Called when a reading in the background has changed the list. */
  onChange: () => void;
  timing?: Partial<ListTiming>;
};

export function createAccountList(deps: ListDeps): AccountList {
  const { source, only, logger, onChange } = deps;
  const timing = { ...TIMING, ...deps.timing };
  const trust = createListTrust({
    timing: { ...timing, freshMs: source.kind === 'token' ? timing.freshMs : 0 },
    readAt: source.kind === 'file' ? Date.now() : null,
    logger,
  });
  let followed: Followed = { ...NOBODY, ids: deps.first };
  let slotRead: number | null | undefined;
  let isReading = false;

  function take({ ids, isComplete, problem }: ListReading): void {
    const isFirst = trust.readAt() === null && followed.ids.length === 0;
    const step = followList(
      followed,
      { ids: only === null ? ids : ids.filter((id) => only.has(id)), isComplete },
      PATIENCE[source.kind],
    );
    followed = step;
    report(logger, source.kind, step, isFirst);
    const doubt = problem ?? (step.doubted > 0 ? massGone(step) : null);
    if (doubt === null) trust.confirm(followed.ids.length);
    else trust.doubt(doubt, followed.ids.length);
    if (source.kind === 'token' && step.added.length + step.removed.length > 0) onChange();
  }

  async function readInBackground(read: () => Promise<ListReading>): Promise<void> {
    isReading = true;
    try {
      take(await read());
    } catch (error) {
      // The process stops.
      if (!isOperatorError(error)) logger.error(errorFields(error), 'the list of accounts could not be read');
    } finally {
      isReading = false;
    }
  }

  return {
    ids: () => followed.ids,
    isByName: source.kind !== 'token',
    refresh(slot) {
      const at = slot?.at.getTime() ?? null;
      const isDue = at !== slotRead || trust.isDoubted();
      if (source.kind === 'variable' || isReading || !isDue || trust.isTooEarly()) return;
      slotRead = at;
      if (source.kind === 'file') take(readingOf(source.read()));
      else void readInBackground(source.read);
    },
    state: () => ({
      synced: followed.ids.length,
      unlisted: followed.unlisted.length,
      readAt: trust.readAt(),
    }),
  };
}

function report(
  logger: ListDeps['logger'],
  kind: ListSource['kind'],
  { ids, added, removed, newlyLacking }: ListStep,
  isFirst: boolean,
): void {
  const named = (of: readonly string[]) => ({
    count: of.length,
    ...(of.length > MOST_NAMED ? {} : { account_ids: of }),
  });
  if (isFirst) logger.info({ accounts: ids.length }, 'accounts listed');
  else if (added.length > 0) logger.info(named(added), 'accounts were added, they are synced from now on');
  if (newlyLacking.length > 0)
    logger.warn(named(newlyLacking), 'accounts are not in the list of the token, looking once more');
  if (removed.length > 0)
    logger.warn(
      named(removed),
      kind === 'token'
        ? 'accounts are no longer in the list of the token, they are not synced and keep their history'
        : 'accounts were removed from the file, they are not synced and keep their history',
    );
}

/** A file with one wrong line is not trusted, and not used in part: nobody knows what the line was meant to be. */
function readingOf({ ids, problems }: AccountFile): ListReading {
  const [problem, ...more] = problems;
  if (problem === undefined) return { ids, isComplete: true, problem: null };
  return { ids: [], isComplete: false, problem: fileUnusable(problem, more.length) };
}

function fileUnusable(problem: string, more: number): OperatorError {
  return new OperatorError({
    code: 'ACCOUNT_FILE_UNUSABLE',
    happened: `CLOUDFLARE_ACCOUNT_ID_FILE: ${problem}${more > 0 ? `, and ${more} more` : ''}`,
    means: 'The accounts that were read before are synced',
    todo: 'Correct the file: one account id per line; # begins a comment. It is read again automatically',
  });
}

function massGone({ doubted, ids }: ListStep): OperatorError {
  return new OperatorError({
    code: 'ACCOUNTS_INCOMPLETE',
    happened: `The list of accounts that the token sees lacks ${doubted} of ${ids.length} accounts at once`,
    means: 'That is more than half, so it is not believed: they are still synced',
    todo: 'Check which accounts the token was made for. If this is intended, restart serve',
  });
}
