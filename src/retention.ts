// How long each part of the history is kept. Only names and types, for the configuration and for all code that prunes.

/** The parts of the history that may be pruned, in the order in which they are pruned. */
export const PRUNABLE = ['activity', 'levels', 'identities', 'runs'] as const;
export type Prunable = (typeof PRUNABLE)[number];

/** In milliseconds. Null: for ever. */
export type Retention = Readonly<Record<Prunable, number | null>>;

export const RETENTION_VARIABLES = {
  activity: 'RETENTION_ACTIVITY',
  levels: 'RETENTION_LEVELS',
  identities: 'RETENTION_IDENTITIES',
  runs: 'RETENTION_RUNS',
} as const satisfies Record<Prunable, string>;

/** Whether any part of the history is ever deleted. */
export function keepsForEver(retention: Retention): boolean {
  return PRUNABLE.every((part) => retention[part] === null);
}
