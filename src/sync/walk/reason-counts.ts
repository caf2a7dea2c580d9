// Counts rejected records by reason where their text is not kept. Pure.

export type ReasonCounts = Map<string, number>;

/** A reason names the fields of a record, so there are thousands of combinations. */
const REASONS_MAX = 50;
const OTHER_REASONS = 'other reasons';

export function countReason(counts: ReasonCounts, reason: string, records: number): void {
  const name = counts.has(reason) || counts.size < REASONS_MAX ? reason : OTHER_REASONS;
  counts.set(name, (counts.get(name) ?? 0) + records);
}
