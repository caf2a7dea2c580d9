// The peers: how each is started, and how its current rows are read. Each is set up as its own documentation advises.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from '../harness/measure.ts';
import { syncCommand } from '../harness/sync.ts';
import type { Installed } from './install.ts';

export type Task = {
  apiUrl: string;
  accountId: string;
  perPage: number;
  databaseUrl: string;
  /** For the files that the peer keeps between two runs. */
  folder: string;
};

export type Peer = {
  name: string;
  keepsHistory: boolean;
  /** The largest number of users, because more would take too long. */
  most?: number;
  command(task: Task): Command;
  /** SQL that returns user_id and event_count of every current row. */
  current: string;
};

export const OURS = 'this product';

export function peersOf(installed: Installed): Peer[] {
  // Ignores the settings of the person who runs this, and leaves nothing in their home folder.
  const environment = (folder: string) => ({
    PATH: `${installed.bin}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
    RUNTIME__DLTHUB_TELEMETRY: 'false',
  });
  const dlt = (name: string, loader: 'csv' | 'arrow', workers: Record<string, string>): Peer => ({
    name,
    keepsHistory: true,
    command: ({ apiUrl, accountId, perPage, databaseUrl, folder }) => ({
      file: installed.python,
      args: ['bench/peers/dlt_scd2.py', apiUrl, accountId, String(perPage), databaseUrl, folder, loader],
      env: { ...environment(folder), ...workers },
    }),
    current: 'select user_id, event_count from dlt_risk.users where _dlt_valid_to is null',
  });
  const node = (name: string, script: string, most?: number): Peer => ({
    name,
    keepsHistory: false,
    ...(most === undefined ? {} : { most }),
    command: ({ apiUrl, accountId, perPage, databaseUrl, folder }) => ({
      file: process.execPath,
      args: [installed.script(script), apiUrl, accountId, String(perPage), databaseUrl],
      env: environment(folder),
    }),
    current: 'select user_id, event_count from users',
  });
  return [
    {
      name: OURS,
      keepsHistory: true,
      command: (task) => syncCommand(task.apiUrl, task),
      current: 'select user_id, event_count from risk_bi.users where is_present',
    },
    dlt('dlt scd2, csv', 'csv', {}),
    // As dlt's performance page advises: processes that normalize, and files small enough that each process gets one.
    // Loading already uses 20 files side by side.
    dlt('dlt scd2, csv, 2 workers', 'csv', {
      NORMALIZE__WORKERS: '2',
      DATA_WRITER__FILE_MAX_ITEMS: '25000',
    }),
    dlt('dlt scd2, arrow', 'arrow', {}),
    node('fetch, upserts of 1,000', 'fetch-upserts'),
    {
      name: 'tap, target-postgres',
      keepsHistory: false,
      command: ({ apiUrl, accountId, perPage, databaseUrl, folder }) => ({
        file: 'bash',
        args: [
          '-c',
          'set -o pipefail; python bench/peers/tap_risk.py "$0" "$1" "$2" | target-postgres --config "$3"',
          apiUrl,
          accountId,
          String(perPage),
          targetConfig(folder, databaseUrl),
        ],
        env: environment(folder),
      }),
      current: 'select user_id, event_count from tap.users where _sdc_deleted_at is null',
    },
    node("Cloudflare's SDK, row by row", 'sdk-rows', 20_000),
  ];
}

/** Uses COPY instead of INSERT, and psycopg 3, which the documentation of target-postgres recommends. */
function targetConfig(folder: string, databaseUrl: string): string {
  const file = path.join(folder, 'target.json');
  const url = databaseUrl.replace(/^postgres(ql)?:/, 'postgresql+psycopg:');
  const settings = {
    sqlalchemy_url: url,
    default_target_schema: 'tap',
    use_copy: true,
    load_method: 'upsert',
  };
  writeFileSync(file, JSON.stringify(settings));
  return file;
}
