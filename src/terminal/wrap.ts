// The width of a line, and sentences wrapped to it.
import stringWidth from 'string-width';

export const LINE_WIDTH = 80;

/**
 * Lines of at most `width` columns; a longer word gets a line of its own. Every line but the first begins with `indent`
 * spaces.
 */
export function wrap(text: string, indent = 0, width = LINE_WIDTH): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && stringWidth(longer) > width - indent) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

/** One line if it fits, because scripts look for it. Otherwise the text is below the name. */
export function headLines(name: string, text: string, width: number): string[] {
  const line = `${name}  ${text}`;
  return stringWidth(line) <= width ? [line] : [wrap(name, 4, width), `  ${wrap(text, 4, width)}`];
}

export type Terminal = {
  stdout: { columns?: number; isTTY?: boolean };
  source: { env: Readonly<Record<string, string | undefined>> };
};

/** Columns of the terminal. Without a terminal: COLUMNS, or 80. */
export function widthOf(io: Terminal): number {
  const width = io.stdout.columns ?? Number(io.source.env['COLUMNS']);
  return Number.isInteger(width) && width > 0 ? width : 80;
}
