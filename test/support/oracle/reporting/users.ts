// The users of one moment, and the differences between two: plain loops, no SQL.
import type { UserState } from '../oracle.ts';
import { type Past, type Row, rank, place, str, at } from './past.ts';

/** Rows of risk_bi.users_as_of, and of risk_bi.snapshot_users, for the newest snapshot at or before an instant. */
export function expectedUsers({ oracle }: Past, instant: bigint): { asOf: Row[]; rebuilt: Row[] } {
  const snapshot = at(oracle.snapshots, instant);
  const rows = (more: (user: UserState) => Row) =>
    [...(snapshot?.state ?? [])].map(([userId, user]) => ({
      user_id: userId,
      max_risk_level: user.level,
      event_count: user.eventCount,
      last_event: str(user.lastEvent),
      level_rank: place(user.level),
      ...more(user),
    }));
  return {
    asOf: rows(() => ({ snapshot_id: str(snapshot?.snapshotId), observed_at: str(snapshot?.at) })),
    rebuilt: rows(({ email, name }) => ({ email, name })),
  };
}

export function expectedComparison({ oracle }: Past, from: bigint, to: bigint): Row[] {
  const { snapshots } = oracle;
  const before = at(snapshots, from)?.state;
  const after = at(snapshots, to)?.state;
  const known = new Set(snapshots.filter((one) => one.at <= from).flatMap(({ state }) => [...state.keys()]));
  const everybody = new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])]);
  return [...everybody].flatMap((userId) => {
    const was = before?.get(userId)?.level ?? null;
    const is = after?.get(userId)?.level ?? null;
    if (was === is) return [];
    const change =
      is === null
        ? 'cleared'
        : was === null
          ? known.has(userId)
            ? 'returned'
            : 'appeared'
          : rank(is) > rank(was)
            ? 'raised'
            : 'lowered';
    return [
      {
        user_id: userId,
        change,
        from_level: was,
        to_level: is,
        from_level_rank: place(was),
        to_level_rank: place(is),
      },
    ];
  });
}
