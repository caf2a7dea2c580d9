// The errors for a list of pages whose end cannot be found.
import { OperatorError } from '../../errors.ts';

export function pagingUnusable(size: number, total: number | null, met: number): OperatorError {
  return new OperatorError({
    code: 'PAGING_UNUSABLE',
    happened: `Cloudflare answers every page with the same ${size} users, and ${
      total === null ? 'states no total' : `states a total of ${total} (met: ${met})`
    }`,
    means:
      'The account cannot be read completely. Nothing was published, because a part of the account would be worse',
    todo: 'Set SYNC_PER_PAGE to more than the number of users; if that does not help, report the paging behaviour to the project',
  });
}

/** `cap`: the number of pages that were read. */
export function pagingEndless(cap: number): OperatorError {
  return new OperatorError({
    code: 'PAGING_ENDLESS',
    happened: `After ${cap} pages Cloudflare still answers with new users. That is far more than expected`,
    means: 'The end of the list was not found, so nothing was published',
    todo: 'Run `zt-risk-sync sync` again; if the error comes again, report the paging behaviour to the project',
  });
}
