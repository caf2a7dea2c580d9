// What is kept of an email and a name: all of it, a keyed hash, or nothing. All code that writes or searches emails and
// names uses a policy. docs/privacy.md explains the modes and the key.
import { createHmac, hash } from 'node:crypto';

export const PII_MODES = ['full', 'pseudonymous', 'none'] as const;
export type PiiMode = (typeof PII_MODES)[number];

/** Email and name, as served or as kept. */
export type Named = { email: string | null; name: string | null };

export type PiiPolicy = {
  mode: PiiMode;
  /** Names the key. It is part of every hash, and reveals nothing about the key. Null without a key. */
  keyId: string | null;
  /** What is kept of an email and a name as served. The hash of an email ignores case. */
  keep<T extends Named>(served: T): T;
  /** The same for values from a history: a hash stays unchanged. */
  convert(held: Named): Named;
  /**
   * Whether a served record can be compared with this person. `isOlder`: the person's values were kept before the
   * current mode, so a missing email and name may have been left out.
   */
  canCompare(held: Named, isOlder: boolean): boolean;
};

/** What a search by email or name compares with. In every mode, a history may hold hashes and plain texts. */
export type PiiHashes = { email: (text: string) => string; name: (text: string) => string };

const PREFIX = 'hmac-sha256';
const HASH = /^hmac-sha256:([0-9a-f]{8}):[A-Za-z0-9_-]{43}$/;
/** The same for PostgreSQL. */
export const HASH_PATTERN = '^hmac-sha256:[0-9a-f]{8}:[A-Za-z0-9_-]{43}$';

/** 256 bits of randomness: `openssl rand -base64 32`. */
export const KEY_BYTES = 32;
/** Random bytes have more different values. Fewer mean that a person typed the key. */
const LEAST_DISTINCT = 16;

/** The bytes of a key in base64 or base64url. Null: too short, not base64, or not random. */
export function readPiiKey(text: string): Buffer | null {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return null;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length >= KEY_BYTES && new Set(bytes).size >= LEAST_DISTINCT ? bytes : null;
}

/** The id of the key that made the hash. Null if the text is not a hash. */
export function keyIdOf(text: string): string | null {
  return HASH.exec(text)?.[1] ?? null;
}

export const keepAll: PiiPolicy = {
  mode: 'full',
  keyId: null,
  keep: (served) => served,
  convert: (held) => held,
  canCompare: (held, isOlder) =>
    isKnown(held, isOlder) && valuesOf(held).every((value) => keyIdOf(value) === null),
};

const keepNothing: PiiPolicy = {
  mode: 'none',
  keyId: null,
  keep: (served) => ({ ...served, email: null, name: null }),
  convert: () => ({ email: null, name: null }),
  canCompare: () => false,
};

/** `key`: as in PII_KEY. The mode pseudonymous needs it. */
export function createPiiPolicy(mode: PiiMode, key: string | null): PiiPolicy {
  if (mode === 'full') return keepAll;
  if (mode === 'none') return keepNothing;
  const bytes = key === null ? null : readPiiKey(key);
  if (bytes === null) throw new Error('no key: readConfig was not asked for it');
  const { keyId, ...hashes } = createHashes(bytes);
  const hashed = (text: string | null, by: (text: string) => string) =>
    text === null || text === '' ? text : by(text);
  return {
    mode,
    keyId,
    keep: (served) => ({
      ...served,
      email: hashed(served.email, hashes.email),
      name: hashed(served.name, hashes.name),
    }),
    convert: ({ email, name }) => ({
      email: email !== null && keyIdOf(email) !== null ? email : hashed(email, hashes.email),
      name: name !== null && keyIdOf(name) !== null ? name : hashed(name, hashes.name),
    }),
    canCompare: (held, isOlder) =>
      isKnown(held, isOlder) && valuesOf(held).every((value) => keyIdOf(value) === keyId),
  };
}

/** Null without a key: then hashes cannot be searched. */
export function piiHashes(key: string | null): (PiiHashes & { keyId: string }) | null {
  const bytes = key === null ? null : readPiiKey(key);
  return bytes === null ? null : createHashes(bytes);
}

const valuesOf = ({ email, name }: Named): string[] =>
  [email, name].filter((value): value is string => value !== null && value !== '');

/** For a person without email and name, nothing may have been served, or nothing was kept. */
const isKnown = (held: Named, isOlder: boolean) => !isOlder || valuesOf(held).length > 0;

/** Case is ignored, as in every search for an email. Names are hashed exactly. */
function createHashes(key: Buffer): PiiHashes & { keyId: string } {
  const hmac = createFastHmac(key);
  const keyId = Buffer.from(hmac('zt-risk-sync key id'), 'base64url').toString('hex').slice(0, 8);
  const begin = `${PREFIX}:${keyId}:`;
  return {
    keyId,
    // With a label, the same text has one hash as an email and another as a name.
    email: (text) => begin + hmac(`email:${text.toLowerCase()}`),
    name: (text) => begin + hmac(`name:${text}`),
  };
}

const BLOCK = 64;
/** Bytes of UTF-8. Longer texts are rare. */
const FAST_BYTES = 4_096;

/**
 * HMAC-SHA-256 by its definition, from two calls of `hash`. Measured on Node 24 for short texts: 2.3 to 3.4 µs, and
 * createHmac takes 26 to 34. Every record of a walk needs two.
 */
function createFastHmac(key: Buffer): (text: string) => string {
  const inner = Buffer.alloc(BLOCK + FAST_BYTES);
  const outer = Buffer.alloc(BLOCK + 32);
  const block = Buffer.alloc(BLOCK);
  (key.length > BLOCK ? hash('sha256', key, 'buffer') : key).copy(block);
  for (let n = 0; n < BLOCK; n++) {
    inner[n] = (block[n] as number) ^ 0x36;
    outer[n] = (block[n] as number) ^ 0x5c;
  }
  return (text) => {
    if (text.length * 3 > FAST_BYTES) return createHmac('sha256', key).update(text).digest('base64url');
    const end = BLOCK + inner.write(text, BLOCK, 'utf8');
    outer.write(hash('sha256', inner.subarray(0, end), 'hex'), BLOCK, 'hex');
    return hash('sha256', outer, 'base64url');
  };
}
