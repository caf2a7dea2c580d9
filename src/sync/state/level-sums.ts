// Users and events of each level, as a snapshot counts them. Pure.
import type { RiskLevel } from '../../user-risk.ts';

export type LevelSums = Record<RiskLevel, { users: number; events: number }>;

export function emptySums(): LevelSums {
  return { low: { users: 0, events: 0 }, medium: { users: 0, events: 0 }, high: { users: 0, events: 0 } };
}

export function total(sums: LevelSums): { users: number; events: number } {
  const all = Object.values(sums);
  return {
    users: all.reduce((sum, { users }) => sum + users, 0),
    events: all.reduce((sum, { events }) => sum + events, 0),
  };
}
