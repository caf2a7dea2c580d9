// The errors of a run that keeps users although the walk did not meet them: what stopped the clearing, and what to do.
// Texts only; absence.ts decides.
import { OperatorError } from '../../errors.ts';
import type { AbsenceFacts } from './absence.ts';

export type GuardFacts = AbsenceFacts & {
  lease: { accountId: string };
  /** The missing users who were looked up, whatever their record said. */
  asked: number;
  dryRun: boolean;
};

export function emptyAnswer({ lease, present, total }: GuardFacts): OperatorError {
  const doubt =
    present > 0
      ? `although ${present} were present`
      : total === null
        ? 'and with no total that confirms it'
        : `although it states a total of ${total}`;
  return new OperatorError({
    code: 'EMPTY_ANSWER',
    happened: `Cloudflare answered with no users at all for account ${lease.accountId}, ${doubt}`,
    means: 'A wrong answer can look the same, so nothing was published and nobody was cleared',
    todo: 'Look at the account in the Zero Trust dashboard; if no user has a risk level (every score was reset, or none was ever given), run `zt-risk-sync sync --accept-mass-clear` once',
  });
}

export function massClear(facts: GuardFacts): OperatorError {
  const { lease, missing, present, stillThere, maxClearedRatio, dryRun } = facts;
  const rest = dryRun
    ? 'a dry run publishes nothing'
    : 'the users that were met are published as a partial snapshot';
  return new OperatorError({
    code: 'MASS_CLEAR',
    happened: `${missing - stillThere} of the ${present} present users of account ${lease.accountId} are missing from the answer`,
    means: `That is more than the allowed share of ${maxClearedRatio}, so nobody ${dryRun ? 'would be' : 'was'} cleared; ${rest}`,
    todo: 'If the scores really were reset (or a behaviour was disabled), run `zt-risk-sync sync --accept-mass-clear` once; SYNC_MAX_CLEARED_RATIO sets the share',
  });
}

/**
 * A person accepted a mass clear, but some users are left without a decision. The reason says whether another run
 * settles it.
 */
export function clearPending(facts: GuardFacts): OperatorError {
  const { lease, missing, dryRun } = facts;
  const { happened, means, todo } = whyPending(facts);
  return new OperatorError({
    code: 'CLEAR_PENDING',
    happened: `Of the ${missing} present users of account ${lease.accountId} that this walk did not meet, ${happened}`,
    means: `${means}; ${dryRun ? 'a dry run publishes nothing' : 'the met users are published'}`,
    todo,
  });
}

const AGAIN = '`zt-risk-sync sync --accept-mass-clear`';

function whyPending(facts: GuardFacts): { happened: string; means: string; todo: string } {
  const { unreadable, confirmation, missing, asked, gone, stillThere, dryRun } = facts;
  if (unreadable > 0)
    return {
      happened: `none can be cleared: ${unreadable} of the records that were served have no readable user id`,
      means: 'They may belong to any user, so no user was looked up and all users stay present',
      todo: `\`zt-risk-sync rejected list\` shows these records. Run ${AGAIN} again when they no longer appear`,
    };
  if (confirmation === 'walks')
    return {
      happened: 'none can be cleared: the walk is partial, and their own records do not decide',
      means:
        'If records are not asked (SYNC_CONFIRM=walks), are refused, or cannot be trusted, only complete walks clear users. All users stay present',
      todo: `Run ${AGAIN} again: it needs a complete walk. The log says why this walk is partial; larger pages (SYNC_PER_PAGE) or a longer SYNC_TIME_BUDGET help most often`,
    };
  const silent = asked - gone - stillThere;
  const waiting = missing - asked;
  const are = dryRun ? 'would be' : 'are';
  return {
    happened: [
      ...(waiting > 0 ? [`${waiting} could not be looked up`] : []),
      ...(silent > 0 ? [`the lookups of ${silent} gave no certain answer`] : []),
    ].join(', and '),
    means: `The ${gone} users whose own record proves that they have no level ${are} cleared, and the others stay present`,
    todo: [
      `Run ${AGAIN} again`,
      ...(waiting > 0
        ? [
            'it looks up the waiting users first, and if the time is too short (SYNC_TIME_BUDGET), each run settles some of them',
          ]
        : []),
      ...(silent > 0
        ? ['if these records stay like this, SYNC_CONFIRM=walks lets complete walks decide instead']
        : []),
    ].join('; '),
  };
}
