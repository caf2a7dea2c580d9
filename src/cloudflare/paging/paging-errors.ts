// The errors for a list of pages whose end cannot be found.
import { OperatorError } from '../../errors.ts';
import { ExchangeError } from '../failures.ts';

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

/** Page `number`, after pages that were served. `error` is the refusal, in the words of the client. */
export function pageRefused(
  number: number,
  error: OperatorError,
  { met, total }: { met: number; total: number | null },
): OperatorError {
  return new OperatorError({
    code: 'PAGE_REFUSED',
    happened: `Cloudflare refused page ${number} of the risk summary twice, after earlier pages were served (${quoteOf(error)}); ${
      total === null ? 'no total is stated' : `a total of ${total} is stated`
    }, and ${met} users were met`,
    means: 'The page may hold users, so it is not the end of the list. Nothing was published',
    todo: 'Run `zt-risk-sync sync` again; if the error comes again, set SYNC_PER_PAGE to another number (not a divisor of the number of users), and report the message to the project',
    cause: error.cause,
  });
}

/** `perPage` is what SYNC_PER_PAGE says. */
export function pageSizeRefused(perPage: number, error: OperatorError): OperatorError {
  return new OperatorError({
    code: 'PAGE_SIZE_REFUSED',
    happened: `Cloudflare refused to send pages of ${perPage} users, as SYNC_PER_PAGE asks for (${quoteOf(error)})`,
    means: 'Nothing was published; the last snapshot stays as it is',
    todo: 'Set SYNC_PER_PAGE=auto, which finds a size that is served, or set a smaller number',
    cause: error.cause,
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

function quoteOf({ cause, code }: OperatorError): string {
  return (cause instanceof ExchangeError ? cause.said : null) ?? code;
}
