// Compares a person's search text with emails and names as they are kept. A history may hold plain texts, hashes with
// the key of this process, and hashes with other keys. The search text never leaves the process.
import { keyIdOf, piiHashes, type EmailAndName } from '../../pii-policy.ts';
import { fold } from './match-identities.ts';

export type PersonSearch = {
  /** Whether it is the email, ignoring case. */
  isEmailOf(identity: EmailAndName): boolean;
  /** Whether email or name hold the text. For a hash, only a whole email or a whole name can match. */
  isIn(identity: EmailAndName): boolean;
  /** What the search has met so far. */
  met(): Readonly<SearchedIdentities>;
};

/** Whether there were any emails and names, hashes that were compared, and hashes whose key this process lacks. */
export type SearchedIdentities = { some: boolean; hashed: boolean; locked: boolean };

/** `key`: PII_KEY, if it is set. */
export function createPersonSearch(text: string, key: string | null): PersonSearch {
  const wanted = fold(text);
  const hashes = piiHashes(key);
  const hashed = hashes === null ? null : { email: hashes.email(text), name: hashes.name(text) };
  const met: SearchedIdentities = { some: false, hashed: false, locked: false };

  function fits(
    value: string | null,
    hash: string | undefined,
    isPlain: (folded: string) => boolean,
  ): boolean {
    if (value === null || value === '') return false;
    met.some = true;
    const keyId = keyIdOf(value);
    if (keyId === null) return isPlain(fold(value));
    if (keyId !== hashes?.keyId) {
      met.locked = true;
      return false;
    }
    met.hashed = true;
    return value === hash;
  }

  return {
    isEmailOf: ({ email }) => fits(email, hashed?.email, (value) => value === wanted),
    isIn({ email, name }) {
      const isPart = (value: string) => value.includes(wanted);
      // Both are compared, so that `met` does not depend on which one matches.
      const [byEmail, byName] = [fits(email, hashed?.email, isPart), fits(name, hashed?.name, isPart)];
      return byEmail || byName;
    },
    met: () => met,
  };
}
