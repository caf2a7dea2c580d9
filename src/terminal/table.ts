// Prints results as aligned tables, JSON or CSV. Text from outside is made safe.
import Table from 'cli-table3';
import { stringify } from 'csv-stringify/sync';
import { printable } from '../words.ts';

export type Format = 'table' | 'json' | 'csv';
export type Cell = string | number | boolean | null;
export type Column = { name: string; right?: boolean };

/** Rows in the chosen format. Times stay ISO 8601 in JSON and CSV; the caller shortens them for tables. */
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
    // In parts, because a string holds at most 512 MiB, and a million users would need more.
    out.write(texts.length === 0 ? '[]' : '[\n');
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      const part = texts.slice(from, from + ROWS_AT_ONCE).join(',\n');
      out.write(from + ROWS_AT_ONCE < texts.length ? `${part},\n` : `${part}\n]`);
    }
    out.write('\n');
  } else if (format === 'csv') {
    // By default, false would become an empty cell, like null.
    const cast = { boolean: String };
    out.write(stringify(rows as Cell[][], { header: true, columns: names, escape_formulas: true, cast }));
  } else {
    out.write(`${table(columns, rows)}\n`);
  }
}

const ROWS_AT_ONCE = 5_000;

/**
 * Indented JSON. Characters that printable() replaces in tables become escapes here, which mean the same to a parser.
 */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    UNSAFE_BEYOND_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

// Line ends belong to the layout. JSON itself escapes the other control characters below the space.
const UNSAFE_BEYOND_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Aligned columns without borders; numbers to the right. */
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
