// The width of a line, and sentences wrapped to it.

export const LINE_WIDTH = 80;

/**
 * Lines of at most `width` columns; a longer word gets a line of its own. Every line but the first begins with `indent`
 * spaces.
 */
export function wrap(text: string, indent = 0, width = LINE_WIDTH): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const room = width - indent;
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
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
