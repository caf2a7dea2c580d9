// An account of the benchmark's API with a list that moves after every answer. The true state is known at every
// request.
import { createDriftingList, type Row } from '../drift/drifting-list.ts';

export type DriftingAccount = ReturnType<typeof createDriftingAccount>;

const EVERYONE = 10_000_000;

export function createDriftingAccount(options: { users: number; seed: number; movesPerPage: number }) {
  const list = createDriftingList(options.users, options.movesPerPage, options.seed);
  list.stop();
  const named = (row: Row) => ({
    ...row,
    email: `${row.user_id}@example.com`,
    name: `Somebody ${row.user_id.slice(0, 8)}`,
  });
  return {
    page(page: number, perPage: number): Buffer {
      const { records, info } = list.page(page, perPage);
      const total = info.total_count ?? 0;
      const result_info = { ...info, count: records.length, total_pages: Math.ceil(total / perPage) };
      return Buffer.from(
        JSON.stringify({
          errors: [],
          messages: [],
          success: true,
          result: { users: records.map(named) },
          result_info,
        }),
      );
    },
    present: () => list.ids().length,
    start: () => list.start(),
    /** Makes this many moves at once. */
    moveOn: (moves: number) => list.moveOn(moves),
    /** Stops the list. Returns every present user, and since when the user has been present without a break. */
    truth() {
      list.stop();
      return {
        now: list.now(),
        users: list.page(1, EVERYONE).records.map(({ user_id, event_count }) => ({
          user_id,
          event_count,
          since: list.presentFrom(user_id),
        })),
      };
    },
    lookUp(userId: string) {
      const record = list.record(userId);
      if (record === null) return null;
      const { riskLevel, lastResetTime, newestEvent } = record;
      return {
        email: `${userId}@example.com`,
        name: `Somebody ${userId.slice(0, 8)}`,
        events:
          newestEvent === null
            ? []
            : [{ id: userId, name: 'An event', risk_level: 'low', timestamp: newestEvent }],
        last_reset_time: lastResetTime,
        ...(riskLevel === null ? {} : { risk_level: riskLevel }),
      };
    },
  };
}
