// Reads the text of a `.env` file. Refuses what it cannot read instead of skipping it: a lost DATABASE_URL would send a
// sync to another database. Node's own parseEnv skips such lines, and reads the next line as the value of `NAME= `.

export type EnvFile = {
  values: Record<string, string>;
  /** The problem and its line. Never quotes the line, because it may hold a secret. */
  problems: string[];
};

const NAME = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*/;
const REMARK = /^[ \t]*(?:#.*)?$/;

/**
 * UTF-8, with or without a byte order mark. One of our variables (`known`) must not be repeated, and must not be in
 * lower case.
 */
export function readEnvFile(bytes: Uint8Array, known: (name: string) => boolean): EnvFile {
  const text = decode(bytes);
  if (text === null) return { values: {}, problems: [NOT_UTF8] };
  const lines = text.split(/\r\n|\n|\r/);
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (let index = 0; index < lines.length; index++) {
    const line = (lines[index] ?? '').trim();
    if (REMARK.test(line)) continue;
    const place = `line ${index + 1}`;
    const [start, name] = NAME.exec(line) ?? [];
    if (start === undefined || name === undefined) {
      problems.push(`${place} is not NAME=value. Write it so, or begin it with #`);
      continue;
    }
    const read = readValue(line.slice(start.length), lines, index);
    if ('problem' in read) {
      problems.push(`${place}: ${read.problem}`);
      // The rest may be the inside of the value.
      if (read.isOpen) break;
      continue;
    }
    index = read.last;
    const { value } = read;
    const inCapitals = name.toUpperCase();
    if (!known(name) && known(inCapitals)) problems.push(`${place}: write ${inCapitals} in capitals`);
    if (known(name) && values[name] && value !== '' && values[name] !== value)
      problems.push(`${place} sets ${name} again, to another value. Keep one`);
    values[name] = value;
  }
  return { values, problems };
}

type Value = { value: string; last: number } | { problem: string; isOpen?: boolean };

/** A value in quotes may continue on the next lines. Without quotes, ` #` begins a comment. */
function readValue(rest: string, lines: readonly string[], index: number): Value {
  const quote = rest[0] ?? '';
  if (!['"', "'", '`'].includes(quote)) return { value: rest.replace(/(?:^|[ \t]+)#.*$/, ''), last: index };
  let text = rest.slice(1);
  let last = index;
  while (!text.includes(quote)) {
    last += 1;
    if (last >= lines.length) return { problem: `the quotation mark ${quote} is not closed`, isOpen: true };
    text += `\n${lines[last] ?? ''}`;
  }
  const end = text.indexOf(quote);
  if (!REMARK.test(text.slice(end + 1)))
    return { problem: 'text follows the closing quotation mark. Use another kind of quotation mark' };
  const inside = text.slice(0, end);
  return { value: quote === '"' ? inside.replaceAll('\\n', '\n') : inside, last };
}

const NOT_UTF8 = 'is not UTF-8 text. Save it as UTF-8: some editors and shells of Windows write UTF-16';

function decode(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // UTF-16 without a byte order mark is valid UTF-8, with a NUL beside every letter.
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}
