// A Postgres that logs as much as possible: every statement, its duration and parameters, and the statement and row of
// every error.
import { readFile } from 'node:fs/promises';
import { embeddedLayout, type EmbeddedMajor } from '../../../../src/db/embedded/layout.ts';
import { startEmbedded, stopEmbedded } from '../../../../src/db/embedded/embedded-postgres.ts';
import { dataHome, removeFolder } from './postgres-server.ts';

export type TalkativeServer = {
  url: string;
  /** Where its files are: tables, WAL, and the log. */
  cluster: string;
  log(): Promise<string>;
  stop(): Promise<void>;
};

const SETTINGS = {
  fsync: 'off',
  shared_buffers: '64MB',
  max_connections: '60',
  log_statement: 'all',
  log_min_duration_statement: '0',
  log_parameter_max_length: '-1',
  log_parameter_max_length_on_error: '-1',
  log_min_error_statement: 'debug5',
  log_error_verbosity: 'verbose',
  log_min_messages: 'info',
  log_lock_waits: 'on',
  deadlock_timeout: '50ms',
  log_temp_files: '0',
  // Plans show the constants of a statement.
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_verbose': 'on',
  'auto_explain.log_nested_statements': 'on',
};

export async function startTalkativeServer(major: EmbeddedMajor): Promise<TalkativeServer> {
  const folder = await dataHome(major);
  const place = { dataHome: folder, home: folder, major };
  const { url } = await startEmbedded({ ...place, throwAway: SETTINGS });
  const { logFile, cluster } = await embeddedLayout(place);
  return {
    url,
    cluster,
    log: () => readFile(logFile, 'utf8'),
    async stop() {
      await stopEmbedded(place);
      await removeFolder(folder);
    },
  };
}
