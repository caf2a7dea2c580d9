// A resource of the API: a list of rows that follows from accounts, span and time zone. This file gives all resources
// the same behaviour: 304 if nothing has changed, JSON or CSV, pages, and an entry in the OpenAPI document.
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { stringify } from 'csv-stringify/sync';
import type { Context } from 'hono';
import { deletedIn } from '../../answers/beyond-retention.ts';
import { scopeOf, type RangeName, type Scope } from '../../answers/scope.ts';
import type { Db } from '../../db/handle.ts';
import type { DeletedSince } from '../../queries/accounts/deleted-since.ts';
import { readFeedClock } from '../../queries/health/feed-clock.ts';
import { PRUNABLE, type Prunable } from '../../retention.ts';
import { VERSION } from '../../version.ts';
import type { Caller } from '../auth.ts';
import { readAs, type Reader } from '../read-as.ts';
import { entityTag, isKnown } from './entity-tag.ts';
import { PERSON, withNames } from './named-rows.ts';
import { PROBLEM_RESPONSES } from './problem.ts';

type Row = Record<string, unknown>;

export type Listed<R extends Row> = {
  rows: readonly R[];
  /** Cursor of the rows that follow; null at the end. Leave it out if the list has no pages. */
  next?: string | null;
};

type Given<Query extends z.ZodObject, Param extends z.ZodObject> = {
  query: z.infer<Query>;
  params: z.infer<Param>;
  /** The caller may see emails and names, so they may be searched as well. */
  identities: boolean;
};

export type ListRoute<Query extends z.ZodObject, Param extends z.ZodObject, R extends Row> = {
  /** "/users/{user_id}/history" */
  path: string;
  /** The key of the rows in the answer. */
  name: string;
  summary: string;
  description: string;
  query: Query;
  params?: Param;
  row: z.ZodObject & z.ZodType<R>;
  /** The default span, if the address names none. */
  usual?: RangeName;
  /** The rows of a span are from these parts, which a retention may have shortened. */
  parts?: readonly Prunable[];
  /** Each row is a user. Callers who may see emails and names get them with the row. The row's schema has PERSON. */
  hasNames?: true;
  ask(db: Db, scope: Scope, given: Given<Query, Param>): Promise<Listed<R>>;
};

export function listRoute<Query extends z.ZodObject, Param extends z.ZodObject, R extends Row>(
  api: OpenAPIHono<Caller>,
  reader: Reader,
  route: ListRoute<Query, Param, R>,
): void {
  const described = describe(route);
  api.openapi(described, async (c) => {
    // zod has checked them, but the compiler cannot know this.
    const valid = (part: string) => c.req.valid(part as never) as unknown;
    const identities = route.hasNames === true && c.get('identities') === true;
    const given = { query: valid('query'), params: valid('param'), identities } as Given<Query, Param>;
    const query: Record<string, unknown> = given.query;
    const role = identities ? 'with identities' : 'without identities';
    const form = formOf(c, query['format']);
    const work = async (db: Db) => {
      const { pathname, search } = new URL(c.req.url);
      const address = pathname + search;
      const asked = { address, form, role, version: VERSION, isOfNow: isOfNow(query) };
      const tag = entityTag(asked, await readFeedClock(db));
      c.header('Vary', 'Accept');
      if (isKnown(tag, c.req.header('If-None-Match'))) return c.body(null, 304, { ETag: tag });
      const scope = await scopeOf(db, query, route.usual ?? 'all');
      const listed = await route.ask(db, scope, given);
      // Not before: a client would keep an error with a tag as if it were the answer.
      c.header('ETag', tag);
      const rows = identities ? await withNames(db, listed.rows) : listed.rows;
      const deleted = route.parts === undefined ? [] : await deletedIn(db, scope, route.parts);
      return send(c, { name: route.name, columns: columnsOf(route.row, identities), deleted }, form, {
        ...listed,
        rows,
      });
    };
    return readAs(reader, role, work, c.req.raw.signal);
  });
}

const Deleted = z
  .object({ account_id: z.string(), dataset: z.enum(PRUNABLE), whole_since: z.string() })
  .openapi('BeyondRetention');

function describe<Query extends z.ZodObject, Param extends z.ZodObject, R extends Row>({
  path,
  name,
  summary,
  description,
  query,
  params,
  row,
}: ListRoute<Query, Param, R>) {
  const schema = z.object({
    [name]: z.array(row),
    next_cursor: z.string().nullable().optional().openapi({
      description: 'The parameter cursor of the next page; null at the end. Only in lists that have pages.',
    }),
    beyond_retention: z.array(Deleted).optional().openapi({
      description:
        'Only if the span begins before the history is whole: rows before whole_since may have been deleted (prune).',
    }),
  });
  return createRoute({
    method: 'get',
    path,
    summary,
    description,
    request: { query, ...(params && { params }) },
    responses: {
      200: {
        description: summary,
        headers: z.object({
          ETag: z.string().openapi({ description: 'Send it as If-None-Match with the next request.' }),
          Link: z.string().optional().openapi({ description: 'The next page, rel="next".' }),
        }),
        content: { 'application/json': { schema }, 'text/csv': { schema: z.string() } },
      },
      304: { description: 'The answer has not changed since the one with this ETag' },
      ...PROBLEM_RESPONSES,
    },
  });
}

function send(
  c: Context,
  { name, columns, deleted }: { name: string; columns: readonly string[]; deleted: readonly DeletedSince[] },
  form: 'json' | 'csv',
  { rows, next }: Listed<Row>,
): Response {
  if (next) {
    const query = new URLSearchParams(new URL(c.req.url).search);
    query.set('cursor', next);
    c.header('Link', `<${c.req.path}?${query.toString()}>; rel="next"`);
  }
  if (form === 'json') {
    const beside = {
      ...(next !== undefined && { next_cursor: next }),
      ...(deleted.length > 0 && { beyond_retention: deleted }),
    };
    return c.json({ [name]: rows, ...beside }, 200);
  }
  return c.body(csv(columns, rows), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}.csv"`,
  });
}

function columnsOf(row: z.ZodObject, identities: boolean): string[] {
  const columns = Object.keys(row.shape);
  return identities ? columns : columns.filter((column) => !(column in PERSON));
}

/**
 * People open these files in a spreadsheet, which runs text that begins like a formula. So such text gets an
 * apostrophe.
 */
export function csv(columns: readonly string[], rows: readonly Row[]): string {
  return stringify([...rows], {
    header: true,
    columns: [...columns],
    record_delimiter: 'windows',
    escape_formulas: true,
    cast: { boolean: (value) => String(value), object: (value) => JSON.stringify(value) },
  });
}

function formOf(c: Context, format: unknown): 'json' | 'csv' {
  if (format === 'csv' || format === 'json') return format;
  return /^\s*text\/csv\b/.test(c.req.header('Accept') ?? '') ? 'csv' : 'json';
}

/** A span between two given instants does not move with time. */
function isOfNow(query: Record<string, unknown>): boolean {
  const { from, to } = query;
  const isFixed = (value: unknown) => typeof value === 'string' && /^\d{4}-\d\d-\d\d/.test(value);
  return !isFixed(from) || !isFixed(to) || Date.parse(String(to).slice(0, 10)) > Date.now() - 172_800_000;
}
