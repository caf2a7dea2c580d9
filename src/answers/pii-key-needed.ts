// The error if emails and names are kept as hashes, and this process cannot compute the hash of the search text.
import { OperatorError } from '../errors.ts';
import type { SearchedIdentities } from '../queries/users/person-search.ts';

/** `key`: the key that is set. */
export function keyNeeded(key: string | null): OperatorError {
  return new OperatorError({
    code: 'PII_KEY_NEEDED',
    happened:
      key === null
        ? 'Emails are kept as hashes, and PII_KEY is not set'
        : 'Some emails are kept as hashes with another key than PII_KEY',
    means: 'A person can be found by email only with the key that made the hash',
    todo: 'Set PII_KEY as serve has it, or give the user id',
  });
}

/** What a search for a part of an email or name could not see. Null if it saw everything. */
export function searchLimits(met: Readonly<SearchedIdentities> | null): string | null {
  if (met?.locked === true)
    return 'Emails or names are kept as hashes with a key that is not in PII_KEY: they were not searched';
  if (met?.hashed === true)
    return 'Emails or names are kept as hashes: only a whole email, or a whole name as served, finds them';
  return null;
}
