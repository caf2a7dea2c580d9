// Sessions that the server does not store: a signed text says what its holder may see, and until when. So every replica
// knows the sessions of all others, and a restart ends none. Changing a token ends the sessions made with it.
import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

/** `identities`: emails and names may be shown as well. */
export type Sight = 'reader' | 'identities';

export type Session = {
  kind: Sight;
  /** When the holder entered a token. Milliseconds, like all times here. */
  began: number;
  /** When this text was made: a session in use gets a new text now and then. */
  issued: number;
  expires: number;
  /** Made over TLS: its cookie is then sent only over TLS. */
  secure: boolean;
};

/** Without a request for this long, a session ends. It lasts for a working day, but not over the night after it. */
export const LIFETIME_MS = 12 * 3_600_000;
/** Even a busy session ends a week after the token was entered. */
export const LONGEST_MS = 7 * 86_400_000;
const ROTATE_AFTER_MS = 3_600_000;
/** Our texts have about 200 characters. */
const LONGEST_TEXT = 512;

export type Keys = Readonly<Partial<Record<Sight, Buffer>>>;

/** The key of each kind is derived from the tokens that allow it. Without HTTP_TOKEN, readers need no session. */
export function sessionKeys(token: string | null, piiToken: string | null): Keys {
  return {
    ...(token !== null && { reader: derive('reader', [token]) }),
    ...(piiToken !== null && { identities: derive('identities', [token ?? '', piiToken]) }),
  };
}

export function newSession(kind: Sight, secure: boolean, now: number): Session {
  return { kind, began: now, issued: now, expires: now + LIFETIME_MS, secure };
}

export function sealed(keys: Keys, session: Session): string {
  const key = keys[session.kind];
  if (key === undefined) throw new Error(`no key for sessions of kind ${session.kind}`);
  const { kind, began, issued, expires, secure } = session;
  const nonce = randomBytes(12).toString('base64url');
  const claims = Buffer.from(JSON.stringify([kind, began, issued, expires, secure, nonce]));
  const text = claims.toString('base64url');
  return `${text}.${sign(key, text).toString('base64url')}`;
}

/** Null: the text is not ours, was changed, was made with another token, or has expired. */
export function unsealed(keys: Keys, text: string, now: number): Session | null {
  if (text.length > LONGEST_TEXT) return null;
  const [, claims = '', signature = ''] = /^([\w-]+)\.([\w-]{43})$/.exec(text) ?? [];
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== 32) return null;
  for (const kind of ['reader', 'identities'] as const) {
    const key = keys[kind];
    if (key === undefined || !timingSafeEqual(sign(key, claims), given)) continue;
    // We signed it, so its form is valid.
    const [signedKind, began, issued, expires, secure] = JSON.parse(
      Buffer.from(claims, 'base64url').toString(),
    ) as [Sight, number, number, number, boolean, string];
    const isOver = now >= expires || now >= began + LONGEST_MS;
    return signedKind !== kind || isOver ? null : { kind, began, issued, expires, secure };
  }
  return null;
}

/** The replacement session, if this one is old enough to be replaced. */
export function rotated(session: Session, now: number): Session | null {
  if (now - session.issued < ROTATE_AFTER_MS) return null;
  return { ...session, issued: now, expires: Math.min(now + LIFETIME_MS, session.began + LONGEST_MS) };
}

/** Tokens of any length become a key. The name of the use keeps the keys of the two kinds apart. */
function derive(use: Sight, tokens: readonly string[]): Buffer {
  const secret = Buffer.concat(tokens.map((token) => createHash('sha256').update(token).digest()));
  return Buffer.from(hkdfSync('sha256', secret, '', `zt-risk-sync session ${use}`, 32));
}

function sign(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
