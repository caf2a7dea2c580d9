// Runs the real command, `sync --json`, with a database and an account of the benchmark.
import type { Bench } from './bench.ts';
import { measure, type Command, type Ended, type Figures } from './measure.ts';

export type SyncRequest = {
  databaseUrl: string;
  accountId: string;
  /** The page size of the requests. */
  perPage: number;
  env?: Record<string, string>;
  args?: readonly string[];
};

/** `changes`: users who appeared, rose, fell, were cleared or returned. */
export type Synced = { figures: Figures; users: number; changes: number; requests: number; passes: number };

const CHANGES = ['appeared', 'raised', 'lowered', 'cleared', 'returned'];

/** Throws if the run does not end with a complete snapshot: a failed run has no figures. */
export async function sync(bench: Bench, request: SyncRequest): Promise<Synced> {
  const [synced] = await syncTogether(bench, [request]);
  return synced!;
}

/** Starts all of them at once. The figures of each are those of all together. */
export async function syncTogether(bench: Bench, requests: readonly SyncRequest[]): Promise<Synced[]> {
  const { figures, ended } = await measure(
    bench,
    requests.map((request) => syncCommand(bench.api.url, request)),
  );
  return ended.map((one) => ({ figures, ...readLine(one) }));
}

/** Needed once for each database. Returns milliseconds. */
export async function migrate(bench: Bench, databaseUrl: string): Promise<number> {
  const env = { PATH: process.env['PATH'] ?? '', DATABASE_URL: databaseUrl };
  const { figures, ended } = await measure(bench, [
    { file: process.execPath, args: ['dist/cli.js', 'migrate'], env },
  ]);
  if (ended[0]?.code !== 0) throw new Error(`migrate failed:\n${ended[0]?.log}`);
  return figures.wallMs;
}

export function syncCommand(
  apiUrl: string,
  { databaseUrl, accountId, perPage, env, args }: SyncRequest,
): Command {
  return {
    file: process.execPath,
    args: ['dist/cli.js', 'sync', '--json', ...(args ?? [])],
    env: {
      PATH: process.env['PATH'] ?? '',
      DATABASE_URL: databaseUrl,
      CLOUDFLARE_BASE_URL: apiUrl,
      CLOUDFLARE_ALLOW_INSECURE: '1',
      CLOUDFLARE_API_TOKEN: 'simulated-token',
      CLOUDFLARE_ACCOUNT_ID: accountId,
      SYNC_PER_PAGE: String(perPage),
      ...env,
    },
  };
}

function readLine({ code, out, log }: Ended): Omit<Synced, 'figures'> {
  const line = JSON.parse(out || '{}') as Record<string, unknown>;
  if (code !== 0 || line['verdict'] !== 'complete')
    throw new Error(`sync ended with ${code}: ${out}\n${log}`);
  const number = (name: string) => Number(line[name] ?? 0);
  return {
    users: number('users'),
    changes: CHANGES.reduce((sum, kind) => sum + number(kind), 0),
    requests: number('requests'),
    passes: number('passes'),
  };
}
