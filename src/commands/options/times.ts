// Options and arguments that name a time.
import { InvalidArgumentError, Option } from 'commander';
import { OperatorError } from '../../errors.ts';
import { isTimeZone } from '../../time/zones.ts';
import { parseWhen, WHEN_HELP } from '../../time/when.ts';

export function timezoneOption(what: string): Option {
  return new Option('--timezone <zone>', `${what} (default: SYNC_TIMEZONE)`).argParser((text) => {
    if (!isTimeZone(text)) throw new InvalidArgumentError('must be a time zone such as Europe/Berlin.');
    return text;
  });
}

/**
 * Checks that parseWhen can read an argument or option. The time itself is known only after the database's clock was
 * read.
 */
export function readableTime(text: string): string {
  if (parseWhen(text, SOME_TIME)?.kind !== 'instant') throw new InvalidArgumentError(`must be ${WHEN_HELP}.`);
  return text;
}

export function readableTimeOrSnapshot(text: string): string {
  if (parseWhen(text, SOME_TIME) === null)
    throw new InvalidArgumentError(`must be ${WHEN_HELP}, or the id of a snapshot.`);
  return text;
}

const SOME_TIME = { now: new Date(0), timezone: 'UTC' };

type NamedTime = readonly [name: string, at: Date];

/** Throws TIMES_SWAPPED. */
export function requireInOrder([first, from]: NamedTime, [second, to]: NamedTime): void {
  if (from <= to) return;
  throw new OperatorError({
    code: 'TIMES_SWAPPED',
    happened: `${first} is ${from.toISOString()}, and ${second} is earlier: ${to.toISOString()}`,
    means: 'A span goes from the earlier time to the later one',
    todo: 'Swap the two',
  });
}

/** For a text that readableTime has accepted. Throws TIME_IN_FUTURE. */
export function timeOf(name: string, text: string, clock: { now: Date; timezone: string }): Date {
  const when = parseWhen(text, clock);
  if (when?.kind !== 'instant') throw new Error(`${name} was not checked`);
  if (when.at > clock.now) {
    throw new OperatorError({
      code: 'TIME_IN_FUTURE',
      happened: `${name} is ${when.at.toISOString()}, and the database's clock reads ${clock.now.toISOString()}`,
      means: 'There is no data for a time in the future',
      todo: `Give a time in the past; times without an offset are in ${clock.timezone} (--timezone)`,
    });
  }
  return when.at;
}
