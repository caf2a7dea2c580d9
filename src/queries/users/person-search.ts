// What a person searches for, compared with emails and names as they are kept. A history may hold plain texts, hashes
// with the key of this process, and hashes with other keys. The text never leaves the process.
import { keyIdOf, piiHashes, type Named } from '../../pii-policy.ts';
import { fold } from './match-identities.ts';

export type PersonSearch = {
  /** Whether it is the email, in whatever case. */
  isEmailOf(identity: Named): boolean;
  /** Whether email or name hold the text. Of a hash, only the whole email or the whole name is known. */
  isIn(identity: Named): boolean;
  /** What was met so far. */
  met(): Readonly<Met>;
};

/** Whether there were emails and names at all, hashes that were compared, and hashes of which the key is not here. */
export type Met = { some: boolean; hashed: boolean; locked: boolean };

/** `key`: PII_KEY, if it is set. */
export function createPersonSearch(text: string, key: string | null): PersonSearch {
  const wanted = fold(text);
  const hashes = piiHashes(key);
  const hashed = hashes === null ? null : { email: hashes.email(text), name: hashes.name(text) };
  const met: Met = { some: false, hashed: false, locked: false };

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
      // Both are looked at, so that `met` does not depend on which one fits.
      const [byEmail, byName] = [fits(email, hashed?.email, isPart), fits(name, hashed?.name, isPart)];
      return byEmail || byName;
    },
    met: () => met,
  };
}
