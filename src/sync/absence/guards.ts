// What a run says that keeps users though the walk lacks them: what stopped it, and the way out. Words only; absence.ts decides.
import { OperatorError } from '../../errors.ts';
import type { AbsenceFacts } from './absence.ts';

export type GuardFacts = AbsenceFacts & {
  lease: { accountId: string };
  /** Of the missing, those whose own record was asked, whatever it said. */
  asked: number;
  dryRun: boolean;
};

export function emptyAnswer({ lease, present }: GuardFacts): OperatorError {
  return new OperatorError({
    code: 'EMPTY_ANSWER',
    happened: `Cloudflare answered with no users at all for account ${lease.accountId}, where ${present} were present`,
    means: 'An answer that went wrong looks the same, so nothing was published and nobody was cleared',
    todo: 'Look at the account in the Zero Trust dashboard; if every score really was reset, run `zt-risk-sync sync --accept-mass-clear` once',
  });
}

export function massClear(facts: GuardFacts): OperatorError {
  const { lease, missing, present, stillThere, maxClearedRatio, dryRun } = facts;
  const rest = dryRun
    ? 'a dry run publishes nothing'
    : 'the users that were met are published as a partial snapshot';
  return new OperatorError({
    code: 'MASS_CLEAR',
    happened: `${missing - stillThere} of the ${present} present users of account ${lease.accountId} are gone from the answer`,
    means: `That is more than a share of ${maxClearedRatio}, so nobody ${dryRun ? 'would be' : 'was'} cleared; ${rest}`,
    todo: 'If the scores really were reset (or a behaviour was disabled), run `zt-risk-sync sync --accept-mass-clear` once; SYNC_MAX_CLEARED_RATIO sets the share',
  });
}

/** An accepted mass clear that left some without a decision. Another run settles it, or something else does: that depends on why. */
export function clearPending(facts: GuardFacts): OperatorError {
  const { lease, missing, dryRun } = facts;
  const { happened, means, todo } = whyPending(facts);
  return new OperatorError({
    code: 'CLEAR_PENDING',
    happened: `Of the ${missing} present users of account ${lease.accountId} that this walk lacks, ${happened}`,
    means: `${means}; ${dryRun ? 'a dry run publishes nothing' : 'what was met is published'}`,
    todo,
  });
}

const AGAIN = '`zt-risk-sync sync --accept-mass-clear`';

function whyPending(facts: GuardFacts): { happened: string; means: string; todo: string } {
  const { unreadable, confirmation, missing, asked, gone, stillThere, dryRun } = facts;
  if (unreadable > 0)
    return {
      happened: `none can be cleared: ${unreadable} of the records that were served do not say which user they speak of`,
      means: 'They may speak of anybody, so that nobody was asked about and everybody stays present',
      todo: `\`zt-risk-sync rejected list\` shows these records. Run ${AGAIN} again once they come no more`,
    };
  if (confirmation === 'walks')
    return {
      happened: 'none can be cleared: the walk is partial, and their own records do not decide',
      means:
        'Where those are not asked (SYNC_CONFIRM=walks), are refused, or say nothing that can be believed, only complete walks clear, and everybody stays present',
      todo: `Run ${AGAIN} again: what is missing is a complete walk. The log says why this one is partial; larger pages (SYNC_PER_PAGE) or a longer SYNC_TIME_BUDGET help most often`,
    };
  const silent = asked - gone - stillThere;
  const waiting = missing - asked;
  const are = dryRun ? 'would be' : 'are';
  return {
    happened: [
      ...(waiting > 0 ? [`${waiting} could not be asked about`] : []),
      ...(silent > 0 ? [`the own records of ${silent} gave no readable answer`] : []),
    ].join(', and '),
    means: `The ${gone} whose own record shows no level ${are} cleared, and the others stay present`,
    todo: [
      `Run ${AGAIN} again`,
      ...(waiting > 0
        ? [
            'it asks those who wait first, and if the time is too short (SYNC_TIME_BUDGET), each run settles some',
          ]
        : []),
      ...(silent > 0
        ? [
            'where records go on without a readable answer, SYNC_CONFIRM=walks lets complete walks decide instead',
          ]
        : []),
    ].join('; '),
  };
}
