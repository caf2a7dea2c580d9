// Decides from what a run has seen: the verdict of the snapshot, who is cleared, and whether a guard fails the run.
// Pure.
import type { OperatorError } from '../errors.ts';
import { decideAbsence, isErasedGone, isUnfinished, provesGone } from './absence/absence.ts';
import { clearPending, emptyAnswer, massClear } from './absence/guards.ts';
import type { Seen } from './look.ts';
import type { ChangeInputs } from './publish/changes.ts';
import type { Verdict } from './walk/verdict.ts';

export type Decided = {
  verdict: Verdict;
  /** Set if the met users are published, but all or some of the missing users are kept. The run still fails. */
  guard: OperatorError | null;
  inputs: ChangeInputs;
};

/** Throws EMPTY_ANSWER. */
export function decide(
  seen: Seen,
  options: {
    lease: { accountId: string };
    acceptMassClear: boolean;
    maxClearedRatio: number;
    dryRun: boolean;
  },
): Decided {
  const { state, table, key, log, walked, missing, answers } = seen;
  const { verdict } = walked.judgement;
  const outcomes = [...answers.byRow.values()].map(({ outcome }) => outcome);
  const gone = new Set<number>();
  for (const { row, absentTwice, erasure } of missing) {
    const answer = answers.byRow.get(row);
    if (erasure !== undefined) {
      if (isErasedGone(erasure, { ...options, verdict, absentTwice })) gone.add(row);
    } else if (answer !== undefined && provesGone(answer, { ...options, verdict, absentTwice }))
      gone.add(row);
  }
  const facts = {
    ...options,
    verdict,
    records: walked.records,
    unreadable: walked.unreadable,
    total: walked.total,
    isFirst: state.newestAt === null,
    present: state.present,
    missing: missing.length,
    asked: outcomes.length,
    stillThere: outcomes.filter((outcome) => outcome === 'level').length,
    gone: gone.size,
    confirmation: answers.confirmation,
  };
  const decision = decideAbsence(facts);
  if (decision === 'empty_answer') throw emptyAnswer(facts);
  const isMass = decision === 'mass_clear';
  return {
    verdict: isMass ? 'partial' : facts.verdict,
    guard: isMass ? massClear(facts) : isUnfinished(facts, decision) ? clearPending(facts) : null,
    inputs: { state, table, key, log, missing, answers: answers.byRow, gone, decision },
  };
}
