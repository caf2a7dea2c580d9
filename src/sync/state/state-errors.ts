// The errors for an account's state that is broken, or changed while the run was under way.
import { OperatorError } from '../../errors.ts';
import { RISK_LEVELS } from '../../user-risk.ts';
import type { LevelSums } from './level-sums.ts';

type Account = { accountId: string };

export function clockBackwards(observedAt: string, newestAt: string | null): OperatorError {
  return new OperatorError({
    code: 'CLOCK_BACKWARDS',
    happened: `The database's clock read ${observedAt} when the walk began, but the newest snapshot is from ${newestAt}`,
    means: 'A snapshot that is older than the newest one would rewrite history, so nothing was published',
    todo: "Check the clock of the database's host; once it is right, the next run succeeds",
  });
}

/** Another session wrote the account's users, or the database lost what it had committed. */
export function stateMoved({ accountId }: Account, when: string, cause?: unknown): OperatorError {
  return new OperatorError({
    code: 'STATE_MOVED',
    happened: `The users of account ${accountId} were changed ${when}: by hand, by a restore, or by a failover that lost the newest commits`,
    means: 'The run compared its records with users that have changed since, so nothing was published',
    todo: 'Nothing: the next run reads the users again. If it happens every time, run `zt-risk-sync doctor`',
    cause,
  });
}

export function brokenSums({ accountId }: Account, found: LevelSums, recorded: LevelSums): OperatorError {
  const inWords = (sums: LevelSums) =>
    RISK_LEVELS.map((level) => `${level} ${sums[level].users} (${sums[level].events} events)`).join(', ');
  return broken(
    `The users of account ${accountId} are ${inWords(found)}, but the newest snapshot counted ${inWords(recorded)}`,
  );
}

export function brokenIdentities({ accountId }: Account, users: number): OperatorError {
  return broken(`${users} users of account ${accountId} have no current identity`);
}

/** `there`: the number of rows of new users in users, levels, identities and activity, read after the COMMIT. */
export function brokenPublish(
  { accountId }: Account,
  wanted: number,
  there: readonly number[],
): OperatorError {
  return broken(
    `The database said that it wrote ${wanted} new users of account ${accountId}, but holds ${there.join(', ')} rows (users, levels, identities, activity)`,
    'The snapshot that was just published is not whole',
  );
}

function broken(
  happened: string,
  means = 'The history was changed or damaged from outside, so nothing is compared with it and nothing was published',
): OperatorError {
  return new OperatorError({
    code: 'STATE_BROKEN',
    happened,
    means,
    todo: 'Run `zt-risk-sync doctor`: it names the contradiction. Restore the database, or undo the change that was made by hand',
  });
}
