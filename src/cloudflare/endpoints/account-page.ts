// One page of the list of accounts that the credentials may see. Reads the ids alone: names of accounts are no business
// of this product.
import * as z from 'zod';
import { createUsersFingerprint } from '../paging/fingerprint-page.ts';
import type { PageTally } from '../paging/tally-page.ts';
import { isAccountId, toAccountId } from '../../account-file.ts';
import { readInfo, type ResultInfo } from '../responses.ts';

/** The content of the page: its ids, and null for an account without a usable id. */
export type AccountPage = PageTally<(string | null)[]> & { info: ResultInfo; bytes: number };

const AccountsEnvelope = z.object({
  success: z.literal(true),
  // A list that is missing says nothing about which accounts there are, so it is no empty one.
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
