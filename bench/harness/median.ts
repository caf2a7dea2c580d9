// Medians of rounds: of numbers, and of records of numbers, field by field.

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function medians<T extends Record<string, number>>(rounds: readonly T[]): T {
  const fields = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(
    fields.map((field) => [field, median(rounds.map((round) => round[field] ?? Number.NaN))]),
  ) as T;
}
