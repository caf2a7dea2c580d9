// The faults that the simulator can show on request. People type these names after `--faults`.
import { OperatorError } from '../errors.ts';

/** Each name with one line for the help text. */
export const FAULTS = {
  drift:
    'after each page but the last, a user not yet served moves to the top: walks meet some users twice and miss some',
  unavailable: '503 for every request',
  challenge: 'a challenge for browsers (cf-mitigated) for every request',
  blocked: '403 with error 1020 of the edge for every request',
  'bound-token': '403 with code 9109: the token may not be used from this address',
  'no-plan': '403 for every account: its plan does not include risk scoring',
  'text-plain': 'right answers under the content type text/plain',
  forbidden: '403 with code 9109 for every account, though the credentials are valid',
  'no-list': '403 for the list of accounts, though each account can be read',
  'no-accounts': 'the list of accounts is empty',
  'no-totals': 'result_info without total_count and total_pages',
  'no-info': 'no result_info at all',
  'ignore-page': 'page is ignored: every answer is the first page',
  everything: 'page and per_page are ignored: all users in every answer',
  'clamp-50': 'at most 50 users per page, even if per_page asks for more',
  'refuse-large': '400 for a per_page above 100',
  'refuse-above-25': '400 with code 8000024 for a per_page above 25',
  'refuse-per-page': '422 for every per_page',
  'refuse-beyond': '404 with code 7003 for a page beyond the last one',
  empty: 'an account without users',
  'bad-record': 'one user has an unknown level',
  flaky: 'every 7th request gets a 502 page in HTML',
  throttle: 'every 10th request gets 429 with Retry-After: 1',
} as const satisfies Record<string, string>;

export type Fault = keyof typeof FAULTS;

/** Reads a comma-separated list. `suggest` names a similar fault. Throws FAULTS_UNKNOWN (exit 64). */
export function parseFaults(
  text: string,
  suggest: (name: string, choices: readonly string[]) => string = () => '',
): Fault[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const unknown = names.filter((name) => !isFault(name));
  if (unknown.length > 0) {
    const all = Object.keys(FAULTS);
    throw new OperatorError({
      code: 'FAULTS_UNKNOWN',
      happened: `The simulator has no fault named ${unknown.map((name) => `"${name}"${suggest(name, all)}`).join(', ')}`,
      means: 'Nothing was started',
      todo: `Choose from ${all.join(', ')}`,
    });
  }
  return [...new Set(names.filter(isFault))];
}

function isFault(name: string): name is Fault {
  return Object.hasOwn(FAULTS, name);
}
