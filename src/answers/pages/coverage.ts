// How well days were covered by runs, in figures and words. Pure.
import type { CoverageDay } from '../../queries/runs/coverage.ts';
import { plural } from '../../words.ts';

/** Slots without a success. */
export function missedOf({ expected_slot_count, slot_succeeded_count }: CoverageDay): number {
  return Math.max(0, (expected_slot_count ?? 0) - slot_succeeded_count);
}

/** "359 of 360 snapshots are complete, 1 is partial. 1 run failed. 2 slots were missed." Pure. */
export function coverageWords(days: readonly CoverageDay[]): string {
  const sum = (of: (day: CoverageDay) => number) => days.reduce((total, day) => total + of(day), 0);
  const complete = sum((day) => day.complete_count);
  const partial = sum((day) => day.partial_count);
  const failed = sum((day) => day.failed_count + day.abandoned_count);
  const missed = sum(missedOf);
  const count = (value: number) => value.toLocaleString('en-US');
  return [
    partial === 0
      ? `${complete === 1 ? 'The only snapshot is' : `All ${count(complete)} snapshots are`} complete.`
      : `${count(complete)} of ${plural(complete + partial, 'snapshot')} are complete, ${count(partial)} partial.`,
    failed === 0 ? '' : `${plural(failed, 'run')} failed.`,
    missed === 0 ? 'No slot was missed.' : `${plural(missed, 'slot was', 'slots were')} missed.`,
    partial === 0 ? '' : 'A partial walk alone clears nobody.',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}
