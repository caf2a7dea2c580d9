// One page of the list of accounts that the credentials may see. Reads only the ids: this product does not need the
// names.
import * as z from 'zod';
import { createUsersFingerprint } from '../paging/fingerprint-page.ts';
import type { PageTally } from '../paging/tally-page.ts';
import { isAccountId, toAccountId } from '../../account-file.ts';
import { readInfo, type ResultInfo } from '../responses.ts';

/** The content of the page: its ids, and null for an account without a usable id. */
export type AccountPage = PageTally<(string | null)[]> & { info: ResultInfo; bytes: number };

const AccountsEnvelope = z.object({
  success: z.literal(true),
  // If the list is missing, nothing is known about the accounts. So it does not count as an empty list.
  result: z.array(z.unknown()),
  result_info: z.unknown().optional(),
});

const Account = z.object({ id: z.string().refine(isAccountId).transform(toAccountId) });

/** Null if the JSON is not a list of accounts. */
export function readAccountPage(json: unknown, bytes: number): AccountPage | null {
  const parsed = AccountsEnvelope.safeParse(json);
  if (!parsed.success) return null;
  const fingerprint = createUsersFingerprint();
  const content = parsed.data.result.map((account) => {
    const id = Account.safeParse(account).data?.id ?? null;
    fingerprint.add(id === null ? account : { user_id: id });
    return id;
  });
  const info = readInfo(parsed.data.result_info);
  return { content, count: content.length, users: fingerprint.end(), unknownFields: [], info, bytes };
}
