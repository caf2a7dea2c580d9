// What an account must hold when people are erased between syncs. It keeps a list of users by the id that is shown, and
// for each forgotten person the id that is shown instead. It shares nothing with src/.
import type { UserRisk } from '../../../src/user-risk.ts';

type Held = { record: UserRisk; isAbsent: boolean; missedByComplete: boolean };

export type ErasureOracle = ReturnType<typeof createErasureOracle>;

export function createErasureOracle() {
  /** By the real id. */
  const forgotten = new Map<string, string>();
  const gone = new Set<string>();
  const accounts = new Map<string, Map<string, Held>>();
  /** By account and snapshot id. */
  const snapshots = new Map<string, { accountId: string; snapshotId: number; state: UserRisk[] }>();

  function usersOf(account: string): Map<string, Held> {
    const users = accounts.get(account) ?? new Map<string, Held>();
    accounts.set(account, users);
    return users;
  }

  const isStandIn = (id: string) => gone.has(id) || [...forgotten.values()].includes(id);

  function shown(person: UserRisk): UserRisk {
    const id = forgotten.get(person.user_id);
    return id === undefined ? person : { ...person, user_id: id, email: null, name: null };
  }

  return {
    isForgotten: (userId: string) => forgotten.has(userId),
    shownAs: (userId: string) => forgotten.get(userId) ?? userId,
    /** No text of these people may be found anywhere. */
    forgottenIds: () => [...forgotten.keys()],

    /**
     * `isWhole`: the walk is complete. Otherwise no user is cleared. `spoilt`: a record of this person was rejected, so
     * the last good state stays.
     */
    sync(account: string, served: readonly UserRisk[], isWhole: boolean, spoilt?: string): UserRisk[] {
      const users = usersOf(account);
      const met = new Set<string>();
      for (const person of served) {
        const record = shown(person);
        met.add(record.user_id);
        users.set(record.user_id, { record, isAbsent: false, missedByComplete: false });
      }
      const kept = spoilt === undefined ? undefined : (forgotten.get(spoilt) ?? spoilt);
      for (const [id, held] of users) {
        if (met.has(id)) continue;
        if (id === kept) {
          users.set(id, { ...held, isAbsent: false, missedByComplete: false });
          continue;
        }
        // The record of a real user shows at once that the level is gone. A forgotten user cannot be looked up.
        const isCleared = isWhole && (!isStandIn(id) || gone.has(id) || held.missedByComplete);
        if (isCleared) users.delete(id);
        else users.set(id, { ...held, isAbsent: true, missedByComplete: held.missedByComplete || isWhole });
      }
      return [...users.values()].map(({ record }) => record);
    },

    publish(accountId: string, snapshotId: number, state: UserRisk[]): void {
      snapshots.set(`${accountId} ${snapshotId}`, { accountId, snapshotId, state });
    },

    /** From now on, every account and every snapshot shows `standIn` instead of the person. */
    erase(userId: string, standIn: string, mode: 'forget' | 'once'): void {
      const blank = (user: UserRisk): UserRisk =>
        user.user_id === userId ? { ...user, user_id: standIn, email: null, name: null } : user;
      for (const users of accounts.values()) {
        const held = users.get(userId);
        if (held === undefined) continue;
        users.delete(userId);
        users.set(standIn, { ...held, record: blank(held.record) });
      }
      for (const snapshot of snapshots.values()) snapshot.state = snapshot.state.map(blank);
      if (mode === 'forget') forgotten.set(userId, standIn);
      else gone.add(standIn);
    },

    snapshots,
  };
}
