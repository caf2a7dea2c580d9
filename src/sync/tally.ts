// What a run has counted by now. The run owns it and the phases report to it, so that a failed run is recorded with
// these counts. Readers get a copy.
import type { ClientUsage, CountUse } from '../cloudflare/usage.ts';
import type { Evidence } from '../evidence.ts';
import type { RunFacts } from './record-run.ts';
import { NOTHING_COUNTED, type WalkCounts } from './walk/count-walk.ts';

export type Phases = { walkMs: number; publishMs: number };

export type Tally = {
  countUse: CountUse;
  /** What the walk knows by now. Replaces the earlier report of the walk. */
  noteWalk: (counts: WalkCounts) => void;
  /** Adds facts that do not come from the walk. */
  addEvidence(part: Evidence): void;
  /** Called when the walk has ended. */
  noteUnseen(expected: number | null): void;
  /** Measures how long a phase takes, even if it fails. */
  time<T>(phase: keyof Phases, work: () => Promise<T>): Promise<T>;
  facts(): RunFacts;
  expectedUnseen(): number | null;
  phases(): Phases;
};

export function createTally(): Tally {
  const usage: ClientUsage = { requests: 0, retries: 0, bytes: 0 };
  const phases: Phases = { walkMs: 0, publishMs: 0 };
  let walk = NOTHING_COUNTED;
  let more: Evidence = {};
  let expectedUnseen: number | null = null;
  return {
    countUse(of, by) {
      usage[of] += by;
    },
    noteWalk(counts) {
      walk = counts;
    },
    addEvidence(part) {
      more = { ...more, ...part };
    },
    noteUnseen(expected) {
      expectedUnseen = expected;
    },
    async time(phase, work) {
      const began = performance.now();
      try {
        return await work();
      } finally {
        phases[phase] = performance.now() - began;
      }
    },
    facts: () => ({
      ...walk,
      ...usage,
      lookups: more.lookups?.asked ?? 0,
      evidence: { ...walk.evidence, ...more },
    }),
    expectedUnseen: () => expectedUnseen,
    phases: () => ({ ...phases }),
  };
}
