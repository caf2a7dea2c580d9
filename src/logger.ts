// pino, with every known secret removed from the output by value: redaction by path misses secrets that a library
// quotes.
import { AsyncLocalStorage } from 'node:async_hooks';
import { pino, type DestinationStream, type Logger } from 'pino';
import { isOperatorError, stackOf } from './errors.ts';

export type { Logger } from 'pino';

const fields = new AsyncLocalStorage<Record<string, unknown>>();

/**
 * Every log line while `work` runs has these fields, also lines of code that does not know them: client, pool, retries.
 */
export function withLogFields<T>(more: Record<string, unknown>, work: () => T): T {
  return fields.run({ ...fields.getStore(), ...more }, work);
}

/**
 * Logs are written to stderr: JSON lines, or short lines for people on a terminal. `secrets` are replaced wherever they
 * appear, also in the forms they have inside JSON strings and URLs. Secrets that are added later are replaced as well.
 */
export function createLogger(options: {
  level: string;
  secrets: Iterable<string>;
  pretty: boolean;
  destination: { write(text: string): unknown };
}): Logger {
  const scrub = createScrubber(options.secrets);
  const destination: DestinationStream = {
    write(line: string) {
      const text = scrub(line);
      options.destination.write(options.pretty ? prettyLine(text) : text);
    },
  };
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
      mixin: () => ({ ...fields.getStore() }),
      // A field that the line itself names is written once.
      mixinMergeStrategy: (line, more) => ({ ...more, ...line }),
      // Without a message, pino uses the error's own, which may quote every parameter of a statement.
      hooks: {
        logMethod(args, method) {
          const [first, message] = args as [unknown, unknown];
          if (typeof first === 'object' && message === undefined) method.call(this, first, 'error');
          else method.apply(this, args);
        },
      },
      // The stack is for developers: only with LOG_LEVEL=debug or trace.
      serializers: {
        err: (error: unknown) => errorFields(error, options.level === 'debug' || options.level === 'trace'),
      },
    },
    destination,
  );
}

/** Reads `secrets` for each text: a secret's file may have changed since. */
export function createScrubber(secrets: Iterable<string>): (text: string) => string {
  return (text) => formsOf(secrets).reduce((rest, form) => rest.replaceAll(form, '[secret]'), text);
}

/** Longest first, because a secret may begin with another one. */
function formsOf(secrets: Iterable<string>): string[] {
  const forms = new Set<string>();
  for (const secret of secrets) {
    const inJson = JSON.stringify(secret).slice(1, -1);
    forms.add(secret).add(inJson).add(JSON.stringify(inJson).slice(1, -1));
    forms.add(encodeURIComponent(secret)).add(encodeURI(secret));
  }
  return [...forms].toSorted((a, b) => b.length - a.length);
}

/**
 * The fields of an error that may be logged. The message of a DrizzleQueryError holds every parameter, also emails. So
 * only the code, table and constraint of a database error are logged.
 */
export function errorFields(error: unknown, withStack = false): Record<string, unknown> {
  const root = rootCause(error);
  if (!(root instanceof Error)) return { type: typeof root };
  const sqlstate = (root as { code?: unknown }).code;
  const isDatabase = 'severity' in root && typeof sqlstate === 'string';
  const { table, constraint } = root as { table?: string; constraint?: string };
  return {
    type: root.name,
    ...(sqlstate === undefined ? {} : { code: sqlstate }),
    ...(table === undefined ? {} : { table }),
    ...(constraint === undefined ? {} : { constraint }),
    // The message of a database error may quote a value; the detail always does.
    ...(isDatabase ? {} : { message: root.message }),
    ...(withStack ? { stack: stackOf(error) } : {}),
  };
}

/** The innermost cause: what the driver or the socket said. */
export function rootCause(error: unknown): unknown {
  let current = error;
  while (current instanceof Error && !isOperatorError(current) && current.cause !== undefined)
    current = current.cause;
  return current;
}

function prettyLine(line: string): string {
  const { level, time, message, run_id, account_id, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries({ run_id, account_id, ...rest })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  const clock = String(time).slice(11, 19);
  const text = `${clock} ${String(level).padEnd(5)} ${String(message)}${fields.length > 0 ? `  ${fields.join(' ')}` : ''}`;
  return `${text.replace(UNPRINTABLE, escaped)}\n`;
}

// A line break could forge a line. An escape sequence or a right-to-left mark could change what the terminal shows.
const UNPRINTABLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
