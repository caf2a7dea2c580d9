// The risk summary of a few accounts over real HTTP. Before each run, the test says what to serve: the list, the
// totals, and where it breaks. It also records every answer as the walk read it: an oracle may know nothing else.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createCloudflareClient, type CloudflareClient } from '../../../src/cloudflare/client.ts';
import type { UserRecord } from '../../../src/cloudflare/endpoints/user-record.ts';
import { quiet } from '../stage.ts';

export type Listing = {
  /** The records in each reading of all pages. The last reading repeats. */
  readings: readonly (readonly unknown[])[];
  /** Null: no result_info at all. */
  total: number | null;
  /** From this page on, the answers state another total. */
  movedTotal: { fromPage: number; total: number } | null;
  /** A larger per_page is clamped to this. */
  pageLimit: number;
  /** This page is refused, however often it is requested. */
  fault: { page: number; status: 403 | 503 } | null;
  /** What the users' own records say, and whether they can be asked. */
  records: {
    /** honest: as `of` says. blind: no user is known. level_less: no user has a level. garbled: no record at all. */
    mode: 'honest' | 'refused' | 'blind' | 'level_less' | 'garbled' | 'down';
    /** The `result`; null: no such user; undefined: an answer without a record. */
    of(userId: string): unknown;
  };
};

export type ScriptedApi = {
  baseUrl: URL;
  /** Retries at once, and only once. */
  client: CloudflareClient;
  serve(accountId: string, listing: Listing): void;
  close(): Promise<void>;
};

type Reading = { listing: Listing; number: number; lastPage: number };

export async function startScriptedApi(): Promise<ScriptedApi> {
  const readings = new Map<string, Reading>();
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    const url = new URL(request.url ?? '/', 'http://api');
    const [, accountId = '', what = ''] =
      /accounts\/([^/]+)\/zt_risk_scoring\/([^/]+)$/.exec(url.pathname) ?? [];
    const reading = readings.get(accountId);
    if (reading !== undefined && what !== 'summary')
      return send(response, ...recordOf(reading.listing.records, what));
    const page = Number(url.searchParams.get('page'));
    if (reading === undefined || !(page >= 1)) return send(response, 404, failure(7003));
    const { fault } = reading.listing;
    if (fault?.page === page)
      return send(response, fault.status, failure(fault.status === 403 ? 9109 : 1003));
    if (page === 1 && reading.lastPage > 1) reading.number++;
    reading.lastPage = page;
    send(response, 200, pageOf(reading, page, Number(url.searchParams.get('per_page'))));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`);
  const client = createCloudflareClient({
    baseUrl,
    auth: { kind: 'token', token: 'a token that nobody checks' },
    logger: quiet,
    limit: null,
    timing: { backoffBaseMs: 1, backoffCapMs: 1, maxAttempts: 2 },
  });
  return {
    baseUrl,
    client,
    serve(accountId, listing) {
      readings.set(accountId, { listing, number: 1, lastPage: 0 });
    },
    async close() {
      await client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function pageOf({ listing, number }: Reading, page: number, perPage: number): unknown {
  const records = listing.readings[Math.min(number, listing.readings.length) - 1] ?? [];
  const size = Math.min(perPage, listing.pageLimit);
  const users = records.slice((page - 1) * size, page * size);
  const moved = listing.movedTotal !== null && page >= listing.movedTotal.fromPage;
  const total = moved ? (listing.movedTotal?.total ?? 0) : listing.total;
  const info = { page, per_page: size, count: users.length, total_count: total };
  const envelope = { success: true, errors: [], messages: [], result: { users } };
  return total === null ? envelope : { ...envelope, result_info: info };
}

function recordOf({ mode, of }: Listing['records'], userId: string): [status: number, body: unknown] {
  if (mode === 'refused') return [403, failure(9109)];
  if (mode === 'down') return [503, failure(1003)];
  const result = mode === 'blind' ? null : of(userId);
  if (mode === 'garbled' || result === undefined)
    return [200, { success: true, errors: [], messages: [], result: null }];
  if (result === null) return [404, failure(1002)];
  const shown = mode === 'level_less' ? { ...result, risk_level: null } : result;
  return [200, { success: true, errors: [], messages: [], result: shown }];
}

function failure(code: number): unknown {
  return { success: false, errors: [{ code, message: 'as the test said' }], messages: [], result: null };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export type Answer = { reading: number; page: number; total: number | null; records: readonly unknown[] };
/** What the client made of each lookup, in the order of the answers. */
export type Lookup = {
  userId: string;
  said: UserRecord | 'unknown' | 'refused' | 'garbled' | 'unanswered';
};
export type Answers = { pages: Answer[]; lookups: Lookup[]; brokeOff: boolean };

/**
 * Passes on every answer, and keeps the answers in the order in which they were read. `take` returns and empties them.
 */
export function recordAnswers(client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'>): {
  client: Pick<CloudflareClient, 'summaryPage' | 'lookUpUser'>;
  take(accountId: string): Answers;
} {
  const kept = new Map<string, Answers>();
  const of = (accountId: string) => {
    const answers = kept.get(accountId) ?? { pages: [], lookups: [], brokeOff: false };
    kept.set(accountId, answers);
    return answers;
  };
  return {
    client: {
      async lookUpUser(request) {
        const { lookups } = of(request.accountId);
        const note = (said: Lookup['said']) => void lookups.push({ userId: request.userId, said });
        try {
          const record = await client.lookUpUser(request);
          note(record ?? 'unknown');
          return record;
        } catch (error) {
          const { code } = error as { code?: string };
          note(code === 'LOOKUPS_REFUSED' ? 'refused' : code === 'BAD_ANSWER' ? 'garbled' : 'unanswered');
          throw error;
        }
      },
      async summaryPage(request) {
        const answers = of(request.accountId);
        let wasReading = true;
        try {
          let records: unknown[] = [];
          const openReader: typeof request.openReader = async () => {
            // Errors that the run itself detects are not answers of the API.
            wasReading = false;
            const reader = await request.openReader();
            wasReading = true;
            const heard: unknown[] = [];
            return {
              add(record) {
                heard.push(record);
                reader.add(record);
              },
              end() {
                records = heard;
                return reader.end();
              },
            };
          };
          const answer = await client.summaryPage({ ...request, openReader });
          const last = answers.pages.at(-1);
          const again = request.page === 1 && (answers.pages.length === 0 || (last?.page ?? 1) > 1);
          answers.pages.push({
            reading: (last?.reading ?? 0) + (again ? 1 : 0),
            page: request.page,
            total: answer.info.total_count ?? null,
            records,
          });
          return answer;
        } catch (error) {
          if (wasReading) answers.brokeOff = true;
          throw error;
        }
      },
    },
    take(accountId) {
      const answers = of(accountId);
      kept.delete(accountId);
      return answers;
    },
  };
}
