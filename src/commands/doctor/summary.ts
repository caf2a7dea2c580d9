// Checks whether the summary of each account can be read, and whether the API answers lookups of single users.
import type { SummaryPage } from '../../cloudflare/client.ts';
import { parseRecord } from '../../cloudflare/endpoints/summary/record.ts';
import { NO_SIZE } from '../../cloudflare/paging/pass.ts';
import { isPageSizeRefused } from '../../cloudflare/problems/meanings.ts';
import { collectRecords } from '../../cloudflare/endpoints/summary/record-reader.ts';
import type { ErrorCode, OperatorError } from '../../errors.ts';
import { isNoRecord } from '../../sync/absence/ask-absent.ts';
import type { Asker } from './asker.ts';
import { failedWith, ok, skipped, warning, type Line } from './lines.ts';
import { plural } from '../../words.ts';

export type AccountProbe = {
  accountId: string;
  /** Page 1 with a few records. Null if it could not be read, or was not asked for. */
  page: SummaryPage<unknown[]> | null;
  /** The page size that was asked for. 0: the server refuses the parameter. */
  perPage: number;
  /** The reason why `page` is null. Null although `page` is null: not asked, because Cloudflare does not answer. */
  error: OperatorError | null;
  isUnreachable: boolean;
};

/** A few records are enough, and they are personal data. */
export const PROBE_SIZE = 5;

/** Codes after which it is useless to ask about another account. */
const UNREACHABLE: ReadonlySet<ErrorCode> = new Set([
  'NETWORK',
  'RATE_LIMITED',
  'CLOUDFLARE_UNAVAILABLE',
  'REDIRECTED',
  'PROXY_REFUSED',
  'CERTIFICATE_REFUSED',
  'CHALLENGED',
  'BLOCKED',
]);

export async function probeAccounts(asker: Asker, accountIds: readonly string[]): Promise<AccountProbe[]> {
  const probes: AccountProbe[] = [];
  for (const accountId of accountIds) {
    if (probes.some(({ isUnreachable }) => isUnreachable)) {
      probes.push({ accountId, page: null, perPage: PROBE_SIZE, error: null, isUnreachable: true });
      continue;
    }
    const page1 = (perPage: number) =>
      asker.ask((client, common) =>
        client.summaryPage({
          accountId,
          page: 1,
          perPage,
          ...common,
          // The server may answer with all users.
          openReader: () => collectRecords(PROBE_SIZE),
        }),
      );
    let perPage = PROBE_SIZE;
    let asked = await page1(perPage);
    if ('error' in asked && isPageSizeRefused(asked.error)) asked = await page1((perPage = NO_SIZE));
    const probe = { accountId, perPage };
    if ('value' in asked) probes.push({ ...probe, page: asked.value, error: null, isUnreachable: false });
    else {
      const isUnreachable = UNREACHABLE.has(asked.error.code);
      probes.push({ ...probe, page: null, error: asked.error, isUnreachable });
    }
  }
  return probes;
}

const CREDENTIAL_CODES: ReadonlySet<ErrorCode> = new Set([
  'AUTHENTICATION_FAILED',
  'PERMISSION_DENIED',
  'ADDRESS_REFUSED',
  'KEY_FORMAT',
]);

export function judgeAccount({ page, error }: AccountProbe, credentials: Line): Line {
  if (page !== null) {
    const total = page.info.total_count;
    if (page.count === 0) return ok('account', 'its risk summary can be read, and is empty');
    return ok(
      'account',
      total === undefined
        ? 'its risk summary can be read; no total is stated'
        : `its risk summary can be read: ${plural(total, 'user')}`,
    );
  }
  if (error === null) return skipped('account', 'not asked: Cloudflare did not answer for another account');
  // One cause is reported as one failure.
  if (credentials.status === 'failed' && CREDENTIAL_CODES.has(error.code))
    return skipped('account', 'the credentials are not accepted');
  return failedWith('account', error);
}

/** Two users: one may have been reset between the page and the lookup. */
const ASKED_USERS = 2;

export async function checkLookups(
  asker: Asker,
  { accountId, page }: AccountProbe,
  confirm: 'lookup' | 'walks',
): Promise<Line> {
  if (confirm === 'walks')
    return skipped('lookups', 'SYNC_CONFIRM=walks: the API is not asked about single users');
  if (page === null) return skipped('lookups', 'the risk summary could not be read');
  const users = page.content.flatMap((record) => {
    const parsed = parseRecord(record);
    return parsed.ok ? [parsed.user.user_id] : [];
  });
  let noRecord: OperatorError | null = null;
  for (const userId of users.slice(0, ASKED_USERS)) {
    const asked = await asker.ask((client, common) => client.lookUpUser({ accountId, userId, ...common }));
    if ('error' in asked) {
      const { error } = asked;
      if (isNoRecord(error)) {
        noRecord = error;
        continue;
      }
      if (error.code !== 'LOOKUPS_REFUSED') return failedWith('lookups', error);
      return warning(
        'lookups',
        `${error.code}: ${error.happened}; absent users are cleared after two complete walks`,
        error.todo,
      );
    }
    if (asked.value?.riskLevel != null) return ok('lookups', "a user's own record states the level");
  }
  if (users.length === 0) return skipped('lookups', 'no user to ask about');
  return warning(
    'lookups',
    `own records of users in the summary show no level${noRecord === null ? '' : ` (${noRecord.code}: ${noRecord.happened})`}: these records are not believed, and absent users are cleared after two complete walks`,
    'Report it; SYNC_CONFIRM=walks avoids these requests',
  );
}
