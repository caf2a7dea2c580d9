// How results look: tables that line up, JSON, CSV; ages and numbers as people write them. Names from outside are made safe.
import Table from 'cli-table3';
import { stringify } from 'csv-stringify/sync';
import { InvalidArgumentError, Option } from 'commander';

export type Format = 'table' | 'json' | 'csv';
export type Cell = string | number | boolean | null;
export type Column = { name: string; right?: boolean };

export function formatOption(): Option {
  return new Option('--format <format>', 'how to print').choices(['table', 'json', 'csv']).default('table');
}

/** Rows in the chosen format. Times stay ISO 8601 in JSON and CSV; in tables they are shortened by the caller. */
export function printRows(
  out: NodeJS.WritableStream,
  format: Format,
  columns: readonly Column[],
  rows: readonly Cell[][],
): void {
  const names = columns.map((column) => column.name);
  if (format === 'json') {
    const texts = rows.map((row) =>
      json(Object.fromEntries(names.map((name, index) => [name, row[index] ?? null]))).replace(/^/gm, '  '),
    );
    // In parts: one text has an end (512 MiB), and a million users would go beyond it.
    out.write(texts.length === 0 ? '[]' : '[\n');
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      const part = texts.slice(from, from + ROWS_AT_ONCE).join(',\n');
      out.write(from + ROWS_AT_ONCE < texts.length ? `${part},\n` : `${part}\n]`);
    }
    out.write('\n');
  } else if (format === 'csv') {
    // By default false would be an empty cell, like null.
    const cast = { boolean: String };
    out.write(stringify(rows as Cell[][], { header: true, columns: names, escape_formulas: true, cast }));
  } else {
    out.write(`${table(columns, rows)}\n`);
  }
}

const ROWS_AT_ONCE = 5_000;

/** Indented JSON. What printable() takes out of tables is written as an escape here, which means the same to a parser. */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    UNSAFE_BEYOND_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

// Line ends are the layout's, and JSON itself escapes the other controls below the blank.
const UNSAFE_BEYOND_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Columns that line up, without borders; numbers to the right. */
export function table(columns: readonly Column[], rows: readonly Cell[][], indent = ''): string {
  const t = new Table({
    head: columns.map((column) => column.name),
    colAligns: columns.map((column) => (column.right ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2, compact: true },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
  });
  for (const row of rows) t.push(row.map((cell) => (cell === null ? '–' : printable(cell))));
  return t
    .toString()
    .split('\n')
    .map((line) => `${indent}${line.trimEnd()}`)
    .join('\n');
}

/** Control characters and direction marks cannot reach the terminal. */
export function printable(value: Cell): string {
  if (typeof value === 'number') return value.toLocaleString('en-US');
  return String(value).replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    '\u{fffd}',
  );
}

/** "2026-11-23 18:04 UTC" */
export function minute(at: Date | string): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

/** "3 min ago", of a moment that has passed. */
export function ago(at: Date | string, now = Date.now()): string {
  return `${duration(now - new Date(at).getTime())} ago`;
}

/** "85 ms", "3.2 s", "14 min", "5 h", "12 days", "3 years" */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 1) return `${Math.max(0, Math.round(ms))} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  const days = seconds / 86_400;
  return days < 1_000 ? `${Math.round(days)} days` : `${Math.round(days / 365.25)} years`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** In seven characters: "999,999", from there on "2,147 M". */
export function shortCount(value: number): string {
  return value < 1_000_000
    ? value.toLocaleString('en-US')
    : `${Math.floor(value / 1_000_000).toLocaleString('en-US')} M`;
}

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}.`);
    }
    return value;
  };
}

/** Columns of the terminal; 80 where there is none, unless COLUMNS says otherwise. */
export function widthOf(io: {
  stdout: { columns?: number };
  source: { env: Readonly<Record<string, string | undefined>> };
}): number {
  const width = io.stdout.columns ?? Number(io.source.env['COLUMNS']);
  return Number.isInteger(width) && width > 0 ? width : 80;
}

/** At most so many characters; what is cut off shows. */
export function clip(text: string, width: number): string {
  const characters = Array.from(text);
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`;
}
