// Sentences in 80 columns.

export const LINE_WIDTH = 80;

/** Lines of at most `width` columns; a word that is longer gets a line of its own. Every line but the first begins with `indent` blanks. */
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
