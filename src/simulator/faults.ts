// What can be wrong with the stand-in on request. The names are what people type after `--faults`.
import { OperatorError } from '../errors.ts';

/** Names with one line each, for help texts. */
export const FAULTS = {
  drift:
    'after every page but the last a user not yet served moves to the top: walks meet some twice and miss some',
  unavailable: '503 for everything',
  forbidden: '403 with code 9109 for every account, though the credentials are good',
  'no-totals': 'result_info without total_count and total_pages',
  'no-info': 'no result_info at all',
  'ignore-page': 'page is ignored: the first page for ever',
  everything: 'page and per_page are ignored: the whole account in every answer',
  'clamp-50': 'never more than 50 users a page, whatever was asked for',
  'refuse-large': '400 for a per_page above 100',
  empty: 'an account without users',
  'bad-record': 'one user has a level that nobody knows',
  flaky: 'every 7th request is answered by a 502 page in HTML',
  throttle: 'every 10th request is answered by 429 with Retry-After: 1',
} as const satisfies Record<string, string>;

export type Fault = keyof typeof FAULTS;

/** Reads a comma-separated list. Throws FAULTS_UNKNOWN (exit 64). */
export function parseFaults(text: string): Fault[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const unknown = names.filter((name) => !isFault(name));
  if (unknown.length > 0) {
    throw new OperatorError({
      code: 'FAULTS_UNKNOWN',
      happened: `The simulator knows no fault named ${unknown.map((name) => `"${name}"`).join(', ')}`,
      means: 'Nothing was started',
      todo: `Choose from ${Object.keys(FAULTS).join(', ')}`,
    });
  }
  return [...new Set(names.filter(isFault))];
}

function isFault(name: string): name is Fault {
  return Object.hasOwn(FAULTS, name);
}
