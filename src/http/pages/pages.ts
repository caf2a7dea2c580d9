// The pages of the dashboard: reads the state from the address, asks, and draws. Each page is one transaction, so that
// all its figures are consistent.
import { Hono, type Context } from 'hono';
import { getCookie } from 'hono/cookie';
import { deletedIn, missingWords } from '../../answers/beyond-retention.ts';
import { overviewOf, stripFrom } from '../../answers/overview.ts';
import { beforeFrom } from '../../answers/pages/response.ts';
import { scopeOf, type RangeName, type Scope, type Span } from '../../answers/scope.ts';
import type { Db } from '../../db/handle.ts';
import { isOperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Prunable } from '../../retention.ts';
import { failedPage } from '../../pages/failed.ts';
import { overviewPage } from '../../pages/overview.ts';
import type { Html, Page } from '../../pages/page.ts';
import { addressesOf, type Assets } from '../assets.ts';
import type { Caller } from '../auth.ts';
import { readFor, type Reader } from '../read-as.ts';
import { statusOf } from '../status-of.ts';
import { drawChanges, drawUser, drawUsers } from './people.ts';
import { drawResponse } from './response.ts';
import { drawRun, drawRuns } from './runs.ts';

export type PagesDeps = {
  reader: Reader;
  assets: Assets;
  version: string;
  /** When the schedule runs next; null: never. */
  nextSlot(): Date | null;
  /** Age from which a snapshot is stale. */
  staleAfterMs: number;
  /** How long a user may be at high. */
  highTargetMs: number;
  /** PII_KEY. Without it, emails and names that are kept as hashes are not found. */
  piiKey?: string | null;
  logger: Pick<Logger, 'error'>;
  /** Whether there is a token that shows emails and names. */
  offersIdentities: boolean;
};

/** The browser's time zone, as its script has found it. A zone in the address has priority. */
const ZONE_COOKIE = 'tz';

export function pagesRoute(deps: PagesDeps): Hono<Caller> {
  return new Hono<Caller>()
    .get('/', (c) =>
      answer(
        deps,
        c,
        'fitting',
        async (db, page) =>
          overviewPage(page, await overviewOf(db, page.scope), {
            nextSlot: deps.nextSlot(),
            staleAfterMs: deps.staleAfterMs,
          }),
        { parts: ['runs'], from: stripFrom },
      ),
    )
    .get('/changes', (c) => answer(deps, c, '7d', drawChanges, { parts: ['levels'] }))
    .get('/users', (c) => answer(deps, c, 'all', (db, page) => drawUsers(db, page, deps.piiKey ?? null)))
    .get('/users/:user_id', (c) =>
      answer(deps, c, 'all', (db, page) => drawUser(db, page, c.req.param('user_id'), () => c.status(404)), {
        parts: ['activity', 'levels', 'identities'],
      }),
    )
    .get('/response', (c) =>
      answer(deps, c, '90d', (db, page) => drawResponse(db, page, deps), {
        parts: ['levels'],
        from: beforeFrom,
      }),
    )
    .get('/runs', (c) => answer(deps, c, '90d', (db, page) => drawRuns(db, page, deps), { parts: ['runs'] }))
    .get('/runs/:run_id', (c) =>
      answer(deps, c, '90d', (db, page) => drawRun(db, page, c.req.param('run_id'))),
    );
}

/**
 * The parts that a page has figures of and that a retention may have shortened. `from`: set if these figures go back
 * beyond the span.
 */
type Shortened = { parts: readonly Prunable[]; from?: (span: Span) => Date };

/** `usual` is the range of an address that names none. */
export async function answer(
  deps: PagesDeps,
  c: Context<Caller>,
  usual: RangeName | 'fitting',
  draw: (db: Db, page: Page) => Promise<Html>,
  { parts, from = (span) => span.from }: Shortened = { parts: [] },
): Promise<Response> {
  const query = new URL(c.req.url).searchParams;
  const frame = frameOf(deps, c, query);
  const tz = query.get('tz') ?? getCookie(c, ZONE_COOKIE) ?? '';
  const text = { ...Object.fromEntries(query), tz };
  try {
    const drawn = await readFor(c, deps.reader, async (db) => {
      const scope = await scopeOf(db, text, usual, true);
      const deleted = parts.length === 0 ? [] : await deletedIn(db, scope, parts, from(scope.span));
      return draw(db, { ...frame, scope, missing: missingWords(deleted, scope) });
    });
    return c.html(drawn);
  } catch (error) {
    if (!isOperatorError(error)) deps.logger.error({ err: error }, 'a page failed');
    return c.html(
      failedPage({ ...frame, scope: UNKNOWN, missing: null }, isOperatorError(error) ? error : null),
      statusOf(error),
    );
  }
}

function frameOf(
  deps: PagesDeps,
  c: Context<Caller>,
  query: URLSearchParams,
): Omit<Page, 'scope' | 'missing'> {
  return {
    path: c.req.path,
    query,
    identities: c.get('identities') === true,
    offersIdentities: deps.offersIdentities,
    signedIn: c.get('session') !== undefined,
    version: deps.version,
    assets: addressesOf(deps.assets),
  };
}

/** When the database did not answer. */
const UNKNOWN: Scope = {
  known: [],
  accounts: [],
  chosen: null,
  span: { from: new Date(0), to: new Date(0), range: null },
  timezone: 'UTC',
  now: new Date(0),
};
