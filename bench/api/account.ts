// An invented account in typed arrays; the same seed gives the same account. It changes by exact shares, so that two
// runs of a benchmark do the same work. Knows nothing about paging and HTTP.
export type AccountOptions = { users: number; seed: number };
export type Account = ReturnType<typeof createAccount>;

const LEVELS = ['low', 'medium', 'high'] as const;
const START = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;
const FIRST = ['Ada', 'Bela', 'Carmen', 'Dmitri', 'Esther', 'Farid', 'Greta', 'Hiroshi'];
const LAST = ['Abel', 'Bakker', 'Castillo', 'Dahl', 'Eriksen', 'Fontaine', 'Gupta', 'Haddad'];

export function createAccount({ users, seed }: AccountOptions) {
  const levels = new Uint8Array(users);
  const counts = new Int32Array(users);
  const lastEvents = new Float64Array(users);
  const renames = new Uint16Array(users);
  const isPresent = new Uint8Array(users).fill(1);
  let step = 0;
  let indexes: Map<string, number> | undefined;
  for (let user = 0; user < users; user++) {
    const drawn = mix(user, seed, 5);
    levels[user] = drawn % 10 < 7 ? 0 : drawn % 10 < 9 ? 1 : 2;
    counts[user] = 1 + (drawn % 97);
    lastEvents[user] = START + (mix(user, seed, 6) % (30 * DAY));
  }

  const idOf = (user: number) => uuid(user, seed);

  function recordOf(user: number) {
    const first = FIRST[mix(user, seed, 7) % FIRST.length]!;
    const last = LAST[mix(user, seed, 8) % LAST.length]!;
    return {
      email: `${first}.${last}.${user}@example.com`.toLowerCase(),
      event_count: counts[user]!,
      last_event: new Date(lastEvents[user]!).toISOString(),
      max_risk_level: LEVELS[levels[user]!]!,
      name: renames[user] === 0 ? `${first} ${last}` : `${first} ${last} ${renames[user]}`,
      user_id: idOf(user),
    };
  }

  return {
    /**
     * Gives exactly this share of all users another level, name, count and newest event. Returns the number of these
     * users.
     */
    change(share: number): number {
      step++;
      let changed = 0;
      for (let user = 0; user < users; user++) {
        if (!isChosen(user, share)) continue;
        levels[user] = (levels[user]! + 1) % LEVELS.length;
        counts[user] = counts[user]! + 1;
        renames[user] = step;
        lastEvents[user] = START + (30 + step) * DAY + (mix(user, seed, step) % DAY);
        changed++;
      }
      return changed;
    },
    /** Gives exactly this share of all users a newer event. One in ten of them changes its level. */
    act(share: number): void {
      step++;
      let acted = 0;
      for (let user = 0; user < users; user++) {
        if (!isChosen(user, share)) continue;
        if ((acted++ + step) % 10 === 0) levels[user] = (levels[user]! + 1) % LEVELS.length;
        counts[user] = counts[user]! + 1;
        lastEvents[user] = START + (30 + step) * DAY + (mix(user, seed, step) % DAY);
      }
    },
    /** Resets exactly this share of all users, who are then no longer listed. */
    remove(share: number): void {
      for (let user = 0; user < users; user++) if (isChosen(user, share)) isPresent[user] = 0;
    },
    /** Resets all users except the first `count`. */
    keepFirst(count: number): void {
      isPresent.fill(0, count);
    },
    /** The present users, newest event first. */
    listed(): Uint32Array {
      const order = Uint32Array.from({ length: users }, (_, user) => user).filter(
        (user) => isPresent[user] === 1,
      );
      return order.sort((a, b) => lastEvents[b]! - lastEvents[a]! || a - b);
    },
    recordOf,
    /** The user's own record. Null for an unknown id. */
    lookUp(userId: string) {
      indexes ??= new Map(Array.from({ length: users }, (_, user) => [idOf(user), user]));
      const user = indexes.get(userId);
      if (user === undefined) return null;
      const { email, name, last_event, max_risk_level } = recordOf(user);
      const events = [{ id: userId, name: 'An event', risk_level: max_risk_level, timestamp: last_event }];
      return isPresent[user] === 1
        ? { email, name, events, last_reset_time: null, risk_level: max_risk_level }
        : { email, name, events: [], last_reset_time: new Date(START + (31 + step) * DAY).toISOString() };
    },
  };

  /** Spreads the share evenly: for 0.05, one of every 20 users in a row, and a different one at each step. */
  function isChosen(user: number, share: number): boolean {
    const turn = user + step * 7;
    return Math.floor((turn + 1) * share) > Math.floor(turn * share);
  }
}

/** 32 bits that depend on all three arguments: the finalizer of MurmurHash3. */
function mix(user: number, seed: number, salt: number): number {
  let hash =
    Math.imul(user + 1, 0x9e37_79b1) ^ Math.imul(seed + 1, 0x85eb_ca6b) ^ Math.imul(salt + 1, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function uuid(user: number, seed: number): string {
  const part = (salt: number) => mix(user, seed, salt).toString(16).padStart(8, '0');
  const [a, b, c, d] = [part(1), part(2), part(3), part(4)];
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
}
