// What is kept of an email and a name: all of it, a keyed hash, or nothing. All code that writes or searches emails and
// names uses a policy. docs/privacy.md explains the modes and the key.
import { createHmac, hash } from 'node:crypto';
import { IDENTITY_FIELDS, mapIdentity, NO_IDENTITY, type Identity, type IdentityField } from './user-risk.ts';

export const PII_MODES = ['full', 'pseudonymous', 'none'] as const;
export type PiiMode = (typeof PII_MODES)[number];

/** What tells a person, as served or as kept: a user's own record has no other part of the identity. */
export type EmailAndName = Pick<Identity, 'email' | 'name'>;

export type PiiPolicy = {
  mode: PiiMode;
  /** Names the key. It is part of every hash, and reveals nothing about the key. Null without a key. */
  keyId: string | null;
  /** What is kept of each part of an identity that was served. The hash of an email ignores case. */
  keep<T extends Partial<Identity>>(served: T): T;
  /** The same for values from a history: a hash stays unchanged. */
  convert(held: Identity): Identity;
  /**
   * Whether a served record can be compared with this person. `isOlder`: the person's values were kept before the
   * current mode, so a missing email and name may have been left out.
   */
  canCompare(held: EmailAndName, isOlder: boolean): boolean;
};

/** What a search by email or name compares with. In every mode, a history may hold hashes and plain texts. */
export type PiiHashes = Record<IdentityField, (text: string) => string>;

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
  keep: (served) => changed(served, () => null),
  convert: () => NO_IDENTITY,
  canCompare: () => false,
};

/** `key`: as in PII_KEY. The mode pseudonymous needs it. */
export function createPiiPolicy(mode: PiiMode, key: string | null): PiiPolicy {
  if (mode === 'full') return keepAll;
  if (mode === 'none') return keepNothing;
  const bytes = key === null ? null : readPiiKey(key);
  if (bytes === null) throw new Error('no key: readConfig was not asked for it');
  const { keyId, ...hashes } = createHashes(bytes);
  const hashed = (text: string | null, field: IdentityField) =>
    text === null || text === '' ? text : hashes[field](text);
  return {
    mode,
    keyId,
    keep: (served) => changed(served, hashed),
    convert: (held) =>
      mapIdentity((field) => {
        const text = held[field];
        return text !== null && keyIdOf(text) !== null ? text : hashed(text, field);
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

/** A copy in which `change` has replaced the parts of an identity. */
function changed<T extends Partial<Identity>>(
  served: T,
  change: (text: string | null, field: IdentityField) => string | null,
): T {
  const parts: Partial<Identity> = {};
  for (const field of IDENTITY_FIELDS) {
    const text = served[field];
    if (text !== undefined) parts[field] = change(text, field);
  }
  return { ...served, ...parts };
}

const valuesOf = ({ email, name }: EmailAndName): string[] =>
  [email, name].filter((value): value is string => value !== null && value !== '');

/** For a person without email and name, nothing may have been served, or nothing was kept. */
const isKnown = (held: EmailAndName, isOlder: boolean) => !isOlder || valuesOf(held).length > 0;

/** What is hashed of a text. Case is ignored, as in every search for an email. Names are hashed exactly. */
const HASHED: Record<IdentityField, (text: string) => string> = {
  email: (text) => text.toLowerCase(),
  name: (text) => text,
};

function createHashes(key: Buffer): PiiHashes & { keyId: string } {
  const hmac = createFastHmac(key);
  const keyId = Buffer.from(hmac('zt-risk-sync key id'), 'base64url').toString('hex').slice(0, 8);
  const begin = `${PREFIX}:${keyId}:`;
  return {
    keyId,
    // With a label, the same text has one hash as an email and another as a name.
    ...mapIdentity((field) => (text: string) => begin + hmac(`${field}:${HASHED[field](text)}`)),
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
