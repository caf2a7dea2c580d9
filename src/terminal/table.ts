// Prints results as aligned tables, JSON or CSV. Replaces unsafe characters in text from outside.
import Table from 'cli-table3';
import { stringify } from 'csv-stringify/sync';
import stringWidth from 'string-width';
import { printable } from '../words.ts';

export type OutputFormat = 'table' | 'json' | 'csv';
export type Cell = string | number | boolean | null;
export type Column = {
  name: string;
  right?: boolean;
  /** Left out unless the terminal is wide, and the table with this column fits. */
  extra?: true;
  /** Text of any length: cut to the remaining room, but never below 8 columns. */
  shrinks?: true;
  /** Colours a cell. */
  paint?: (text: string) => string;
};

/** Rows in the chosen format. Times stay ISO 8601 in JSON and CSV; the caller shortens them for tables. */
export function printRows(
  out: NodeJS.WritableStream,
  format: OutputFormat,
  columns: readonly Column[],
  rows: readonly Cell[][],
  width?: number,
): void {
  if (format === 'table') {
    out.write(`${table(columns, rows, width)}\n`);
    return;
  }
  const writer = openRows(out, format, columns);
  // In parts, because a string holds at most 512 MiB, and a million users would need more.
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
    writer.add(rows.slice(from, from + ROWS_AT_ONCE));
  writer.end();
}

const ROWS_AT_ONCE = 5_000;

export type RowWriter = { add(rows: readonly Cell[][]): void; end(): void };

/** Writes rows as they arrive, as one JSON array or one CSV text. */
export function openRows(
  out: NodeJS.WritableStream,
  format: 'json' | 'csv',
  columns: readonly Column[],
): RowWriter {
  const names = columns.map(({ name }) => name);
  if (format === 'csv') {
    // By default, false would become an empty cell, like null.
    const cast = { boolean: String };
    const csv = (rows: readonly Cell[][], header: boolean) =>
      out.write(stringify(rows as Cell[][], { header, columns: names, escape_formulas: true, cast }));
    csv([], true);
    return { add: (rows) => void csv(rows, false), end: () => undefined };
  }
  let before = '[\n';
  return {
    add(rows) {
      if (rows.length === 0) return;
      const texts = rows.map((row) =>
        json(Object.fromEntries(names.map((name, at) => [name, row[at] ?? null]))).replace(/^/gm, '  '),
      );
      out.write(`${before}${texts.join(',\n')}`);
      before = ',\n';
    },
    end: () => void out.write(before === '[\n' ? '[]\n' : '\n]\n'),
  };
}

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

/**
 * Aligned columns without borders; numbers to the right. With `width`, extra columns are added as long as they fit, and
 * columns that shrink are cut if the others leave no room.
 */
export function table(columns: readonly Column[], rows: readonly Cell[][], width?: number): string {
  const texts = rows.map((row) => row.map(textOf));
  const natural = naturalWidths(columns, texts);
  const shown = width === undefined ? [...columns.keys()] : fitting(columns, natural, width);
  const widths = width === undefined ? natural : shrunk(columns, natural, shown, width);
  const t = new Table({
    head: shown.map((at) => columns[at]?.name ?? ''),
    colAligns: shown.map((at) => (columns[at]?.right === true ? 'right' : 'left')),
    ...WITHOUT_BORDERS,
  });
  for (const row of texts)
    t.push(
      shown.map((at) => {
        const text = fitText(row[at] ?? '', widths[at] ?? 0);
        return columns[at]?.paint?.(text) ?? text;
      }),
    );
  return t
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Whether the table fits the width without its extra columns, with every column at its natural width. */
export function fits(columns: readonly Column[], rows: readonly Cell[][], width: number): boolean {
  const natural = naturalWidths(
    columns,
    rows.map((row) => row.map(textOf)),
  );
  const needed = [...columns.keys()].filter((at) => columns[at]?.extra !== true);
  return total(natural, needed) <= width;
}

/** At most `width` columns of the terminal; "…" shows where text was cut off. */
export function fitText(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const characters = Array.from(text);
  let end = Math.min(characters.length, width);
  while (end > 0 && stringWidth(characters.slice(0, end).join('')) > width - 1) end--;
  return `${characters.slice(0, end).join('')}…`;
}

const GAP = 2;
/** Below this, tables of different accounts would show different columns. */
const WIDE = 100;
const LEAST_SHRINKING = 8;
const MOST_SHRINKING = 40;

function textOf(cell: Cell): string {
  return cell === null ? '–' : printable(cell);
}

function naturalWidths(columns: readonly Column[], texts: readonly string[][]): number[] {
  return columns.map(({ name, shrinks }, at) => {
    const widest = Math.max(stringWidth(name), ...texts.map((row) => stringWidth(row[at] ?? '')));
    return shrinks === true ? Math.min(widest, MOST_SHRINKING) : widest;
  });
}

function total(widths: readonly number[], shown: readonly number[]): number {
  return shown.reduce((sum, at) => sum + (widths[at] ?? 0) + GAP, -GAP);
}

/** The indexes of the columns that are shown. */
function fitting(columns: readonly Column[], widths: readonly number[], width: number): number[] {
  const isShown = columns.map(({ extra }) => extra !== true);
  const places = () => [...columns.keys()].filter((at) => isShown[at]);
  if (width < WIDE) return places();
  for (const at of columns.keys())
    if (!isShown[at] && total(widths, [...places(), at]) <= width) isShown[at] = true;
  return places();
}

function shrunk(
  columns: readonly Column[],
  widths: readonly number[],
  shown: readonly number[],
  width: number,
): number[] {
  const now = [...widths];
  for (const at of shown) {
    if (columns[at]?.shrinks !== true) continue;
    const excess = total(now, shown) - width;
    if (excess > 0) now[at] = Math.max(LEAST_SHRINKING, (now[at] ?? 0) - excess);
  }
  return now;
}

const WITHOUT_BORDERS = {
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': GAP, compact: true },
  chars: Object.fromEntries(
    [
      'top',
      'top-mid',
      'top-left',
      'top-right',
      'bottom',
      'bottom-mid',
      'bottom-left',
      'bottom-right',
      'left',
      'left-mid',
      'mid',
      'mid-mid',
      'right',
      'right-mid',
      'middle',
    ].map((name) => [name, '']),
  ),
};
