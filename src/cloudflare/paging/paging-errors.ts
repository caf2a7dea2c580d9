// What is said when the pages have no end that can be believed.
import { OperatorError } from '../../errors.ts';

export function pagingUnusable(size: number, total: number | null, met: number): OperatorError {
  return new OperatorError({
    code: 'PAGING_UNUSABLE',
    happened: `Cloudflare answers with the same ${size} users for every page, and ${
      total === null ? 'states no total' : `says that there are ${total} (met: ${met})`
    }`,
    means: 'The account cannot be read whole, and half an account is worse than none: nothing was published',
    todo: 'Set SYNC_PER_PAGE to more than the number of users; if that does not help, report the paging behaviour to the project',
  });
}

/** `cap`: pages that were read. */
export function pagingEndless(cap: number): OperatorError {
  return new OperatorError({
    code: 'PAGING_ENDLESS',
    happened: `After ${cap} pages Cloudflare still answers with new users, far more than it said there are`,
    means: 'There is no end to go by, so nothing was published',
    todo: 'Run `zt-risk-sync sync` again; if it repeats, report the paging behaviour to the project',
  });
}
