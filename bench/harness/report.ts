// Prints a table for people, and writes a file for programs. The name of a column ends in its unit: `_ms`, `_mb`, `_x`
// (times a reference).
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';

export type Cell = string | number | null | readonly number[];
export type Row = Record<string, Cell>;
export type Report = ReturnType<typeof createReport>;

const RESULTS = 'bench/results';

/** Lists of numbers (the single rounds) are only in the file. */
export function createReport(suite: string, settings: Row) {
  const rows: Row[] = [];
  const file = `${RESULTS}/${suite}.json`;
  const machine = {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memory_mb: Math.round(totalmem() / 2 ** 20),
    node: process.version,
    postgres: 18,
    // The load over the last minute. Other work on this machine affects every wall time.
    load_at_start: loadavg()[0]!,
  };
  return {
    /** Writes the file at once, so that a run that is stopped keeps its figures. */
    async add(row: Row): Promise<void> {
      rows.push(row);
      process.stderr.write(`${suite}: ${line(row)}\n`);
      await mkdir(RESULTS, { recursive: true });
      const content = { suite, at: new Date().toISOString(), machine, settings, rows };
      await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
    },
    /** `down`: prints a line for each column, for rows that would be wider than a page. */
    print(down = false): void {
      process.stdout.write(
        `\n${suite} (${machine.cores} cores, ${machine.cpu}, Node ${machine.node}, PostgreSQL 18, load ${machine.load_at_start.toFixed(1)} at the start; ${line(settings)})\n\n${table(down ? turned(rows) : rows)}\n${file}\n`,
      );
    },
  };
}

function table(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(
    (column) => !rows.some((row) => Array.isArray(row[column])),
  );
  const cells = [
    columns.map((column) => column.replaceAll('_', ' ')),
    ...rows.map((row) => columns.map((column) => format(column, row[column] ?? null))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => row[index]!.length)));
  const lines = cells.map(
    (row) =>
      `| ${row.map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!))).join(' | ')} |`,
  );
  lines.splice(1, 0, `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  return `${lines.join('\n')}\n`;
}

/** The first column of the rows gives the column names of the result. */
function turned(rows: readonly Row[]): Row[] {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return columns.map((column) => ({
    figure: column.replaceAll('_', ' '),
    ...Object.fromEntries(rows.map((row, n) => [`case ${n + 1}`, format(column, row[column] ?? null)])),
  }));
}

function line(row: Row): string {
  return Object.entries(row)
    .filter(([, value]) => !Array.isArray(value) && value !== null)
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${format(name, value)}`)
    .join(', ');
}

function format(column: string, value: Cell): string {
  if (value === null || (typeof value === 'number' && Number.isNaN(value))) return '–';
  if (typeof value !== 'number') return String(value);
  if (column.endsWith('_ms')) return value.toLocaleString('en-US', { maximumFractionDigits: 0 });
  const isSmall = value < 10 && (column.endsWith('_mb') || column.endsWith('_s'));
  const digits = column.endsWith('_x') || isSmall ? 2 : 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
