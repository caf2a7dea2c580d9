// How long each part of the history is kept. Pure names and types, for the configuration and for all that prunes.

/** The parts of the history that may be pruned, in the order in which it happens. */
export const PRUNABLE = ['activity', 'levels', 'identities', 'runs'] as const;
export type Prunable = (typeof PRUNABLE)[number];

/** In milliseconds; null: for ever. */
export type Retention = Readonly<Record<Prunable, number | null>>;

export const RETENTION_VARIABLES = {
  activity: 'RETENTION_ACTIVITY',
  levels: 'RETENTION_LEVELS',
  identities: 'RETENTION_IDENTITIES',
  runs: 'RETENTION_RUNS',
} as const satisfies Record<Prunable, string>;

/** Whether anything of the history is to be deleted some day. */
export function keepsForEver(retention: Retention): boolean {
  return PRUNABLE.every((part) => retention[part] === null);
}
