// DuckDB reads what was exported, as a warehouse would. In memory, and without the network.
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';

let connection: Promise<DuckDBConnection> | undefined;

/** Rows of one statement. Large numbers are bigint. */
export async function duckdb<Row extends object>(sql: string): Promise<Row[]> {
  connection ??= DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    threads: '1',
  }).then((instance) => instance.connect());
  return (await (await connection).runAndReadAll(sql)).getRowObjectsJS() as Row[];
}
