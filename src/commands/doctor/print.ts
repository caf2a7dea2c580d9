// Prints the findings of `doctor`: aligned lines as they are found, or JSON or CSV at the end.
import type { Io } from '../../context.ts';
import type { Line, Status } from './lines.ts';
import { printable } from '../../words.ts';
import { printRows, type Cell, type OutputFormat } from '../../terminal/table.ts';
import { painter, type Paint } from '../../terminal/colour.ts';
import { widthOf, wrap } from '../../terminal/wrap.ts';

export type DoctorReport = { add(lines: Line | readonly Line[]): void; end(): Line[] };

const STATUS_WIDTH = 9;
const INDENT = STATUS_WIDTH + 15;
/** Wider lines are harder to read. */
const WIDEST = 120;
const NARROWEST = 60;

export function createReport(io: Pick<Io, 'stdout' | 'source'>, format: OutputFormat): DoctorReport {
  const lines: Line[] = [];
  const width = Math.min(Math.max(widthOf(io), NARROWEST), WIDEST);
  const paint = painter(io);
  let accountId: string | undefined;
  return {
    add(found) {
      for (const line of [found].flat()) {
        lines.push(line);
        if (format !== 'table') continue;
        if (line.accountId !== undefined && line.accountId !== accountId)
          io.stdout.write(`\naccount ${printable(line.accountId)}\n`);
        accountId = line.accountId;
        io.stdout.write(`${textOf(line, width, paint)}\n`);
      }
    },
    end() {
      if (format === 'json') io.stdout.write(`${JSON.stringify(lines.map(jsonOf), null, 2)}\n`);
      else if (format === 'csv') printRows(io.stdout, 'csv', COLUMNS, lines.map(cellsOf));
      else io.stdout.write(`\n${summary(lines)}\n`);
      return lines;
    },
  };
}

function textOf(line: Line, width: number, paint: Paint): string {
  const head = `${paint(line.status, line.status.padEnd(STATUS_WIDTH))}${line.check.padEnd(INDENT - STATUS_WIDTH)}`;
  const mend = line.mend === undefined ? [] : [`→ ${line.mend}`];
  const paragraphs = [line.found, ...mend].flatMap((text) => text.split('\n'));
  const blank = ' '.repeat(INDENT);
  return `${head}${paragraphs.map((text) => wrap(printable(text.trim()), INDENT, width)).join(`\n${blank}`)}`;
}

const COLUMNS = ['check', 'status', 'account_id', 'found', 'mend'].map((name) => ({ name }));

function cellsOf({ check, status, accountId, found, mend }: Line): Cell[] {
  return [check, status, accountId ?? null, found, mend ?? null];
}

function jsonOf({ check, status, accountId, found, mend }: Line): object {
  return {
    check,
    status,
    ...(accountId === undefined ? {} : { account_id: accountId }),
    found,
    ...(mend === undefined ? {} : { mend }),
  };
}

/** "1 failed, 2 warnings, 14 ok, 3 skipped" */
export function summary(lines: readonly Pick<Line, 'status'>[]): string {
  const count = (status: Status) => lines.filter((line) => line.status === status).length;
  const warnings = count('warning');
  return [
    [count('failed'), 'failed'],
    [warnings, warnings === 1 ? 'warning' : 'warnings'],
    [count('ok'), 'ok'],
    [count('skipped'), 'skipped'],
  ]
    .filter(([number]) => number !== 0)
    .map((part) => part.join(' '))
    .join(', ');
}
