// The answers of the summary. They are written once and kept, so that the server's own work does not affect the
// figures.
import type { Account } from './account.ts';

export type Pages = ReturnType<typeof createPages>;

/** `oneAnswer`: the server ignores paging, and answers with all users. */
export function createPages(account: Account, oneAnswer: boolean) {
  let order = account.listed();
  const kept = new Map<string, Buffer>();

  function write(page: number, perPage: number): Buffer {
    const users = oneAnswer ? order : order.subarray((page - 1) * perPage, page * perPage);
    const records = Array.from(users, (user) => JSON.stringify(account.recordOf(user)));
    const info = {
      count: users.length,
      page: oneAnswer ? 1 : page,
      per_page: oneAnswer ? order.length : perPage,
      total_count: order.length,
      total_pages: oneAnswer ? 1 : Math.ceil(order.length / perPage),
    };
    return Buffer.from(
      `{"errors":[],"messages":[],"success":true,"result":{"users":[${records.join(',')}]},"result_info":${JSON.stringify(info)}}`,
    );
  }

  function page(number: number, perPage: number): Buffer {
    const key = oneAnswer ? 'all' : `${perPage}/${number}`;
    const found = kept.get(key);
    if (found !== undefined) return found;
    const written = write(number, perPage);
    kept.set(key, written);
    return written;
  }

  return {
    page,
    present: () => order.length,
    /** Call it after a change: sorts the list again, and writes all its pages of this size. */
    prepare(perPage: number): void {
      kept.clear();
      order = account.listed();
      const last = oneAnswer ? 1 : Math.ceil(order.length / perPage);
      for (let number = 1; number <= last; number++) page(number, perPage);
    },
  };
}
