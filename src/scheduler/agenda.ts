// Which accounts may be looked at when, and which ones are due. Asks no database and starts no run. Times are
// monotonic, in milliseconds.

/** An account that is due, and when the loop found that. */
export type DueAccount = { accountId: string; askedAt: number };

export type Agenda = {
  /** Keeps these accounts and drops all others. */
  keep(accountIds: readonly string[]): void;
  /** A slot has begun: earlier facts about accounts no longer count. */
  wakeAll(): void;
  /** The accounts whose rest is over, except those that are already due or busy. */
  toAsk(now: number): string[];
  rest(accountId: string, until: number): void;
  /**
   * These are due, in this order, after those that were due before. `askedAt`: when the facts behind this were read.
   */
  addDue(accountIds: readonly string[], askedAt: number): void;
  /** Takes the first ones off. Each of them must then start, be put back, or rest. */
  takeDue(most: number): DueAccount[];
  /** These are due before all others. */
  putBack(accountIds: readonly string[], askedAt: number): void;
  begin(accountId: string): void;
  /** The run has ended, and the account rests. */
  end(accountId: string, until: number): void;
  busy(): number;
  hasDue(): boolean;
  /** When the next rest is over. Infinite if no account rests. */
  nextAt(): number;
};

export function createAgenda(): Agenda {
  // In the order of the list, with the end of each rest.
  let rests = new Map<string, number>();
  // Two queues: accounts that were put back, and the others.
  const first = new Map<string, number>();
  const others = new Map<string, number>();
  const queues = [first, others];
  const busy = new Set<string>();
  const isFree = (id: string) => !busy.has(id) && !first.has(id) && !others.has(id);
  const add = (queue: Map<string, number>, accountIds: readonly string[], askedAt: number) => {
    for (const id of accountIds) if (rests.has(id) && isFree(id)) queue.set(id, askedAt);
  };
  return {
    keep(accountIds) {
      if (accountIds.length === rests.size && accountIds.every((id) => rests.has(id))) return;
      rests = new Map(accountIds.map((id) => [id, rests.get(id) ?? 0]));
      for (const queue of queues) for (const id of queue.keys()) if (!rests.has(id)) queue.delete(id);
    },
    wakeAll() {
      for (const id of rests.keys()) rests.set(id, 0);
      for (const queue of queues) queue.clear();
    },
    toAsk: (now) => [...rests].flatMap(([id, until]) => (until <= now && isFree(id) ? [id] : [])),
    rest(accountId, until) {
      if (rests.has(accountId)) rests.set(accountId, until);
    },
    addDue: (accountIds, askedAt) => add(others, accountIds, askedAt),
    takeDue(most) {
      const taken: DueAccount[] = [];
      for (const queue of queues)
        for (const [accountId, askedAt] of queue) {
          if (taken.length >= most) break;
          taken.push({ accountId, askedAt });
          queue.delete(accountId);
        }
      return taken;
    },
    putBack: (accountIds, askedAt) => add(first, accountIds, askedAt),
    begin: (accountId) => void busy.add(accountId),
    end(accountId, until) {
      busy.delete(accountId);
      if (rests.has(accountId)) rests.set(accountId, until);
    },
    busy: () => busy.size,
    hasDue: () => first.size + others.size > 0,
    nextAt() {
      let next = Number.POSITIVE_INFINITY;
      for (const [id, until] of rests) if (until < next && isFree(id)) next = until;
      return next;
    },
  };
}
