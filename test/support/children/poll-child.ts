// A reader by watermark in its own process, which a test can kill. It keeps its rows and watermarks in one file, which it
// replaces whole, so that a killed reader goes on where its file ends. It ends at a line. Run by test/support/child.ts.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createPool } from '../../../src/db/pool.ts';
import { createWatermarkReader, type Kept } from '../oracle/watermark-reader.ts';

export type PollChild = { databaseUrl: string; file: string };

const { databaseUrl, file } = JSON.parse(process.argv[2] ?? '') as PollChild;
const pool = createPool({ url: databaseUrl, max: 1, logger: { warn() {} } });
const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Kept) : {};
const reader = createWatermarkReader(pool, undefined, kept);
let isOver = false;
createInterface({ input: process.stdin }).once('line', () => (isOver = true));

while (!isOver) {
  if (!(await reader.poll())) continue;
  writeFileSync(`${file}.new`, JSON.stringify(reader.kept()));
  renameSync(`${file}.new`, file);
  process.stdout.write('kept\n');
}
await pool.end();
process.exit();
