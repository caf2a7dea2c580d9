// Finds out which token was sent. Compares digests in constant time, because comparing the tokens themselves would
// reveal their length. It always compares all of them.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Sight } from './session.ts';

/** What the holder of the given token may see. Null: it is not one of ours. */
export type TokenJudge = (given: string) => Sight | null;

export function tokenJudge(token: string | null, piiToken: string | null): TokenJudge {
  const reader = token === null ? null : digest(token);
  const identities = piiToken === null ? null : digest(piiToken);
  return (text) => {
    const given = digest(text);
    const isReader = reader !== null && timingSafeEqual(given, reader);
    const isIdentities = identities !== null && timingSafeEqual(given, identities);
    if (isIdentities) return 'identities';
    return isReader ? 'reader' : null;
  };
}

/** Undefined: the request has no bearer token. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([\x21-\x7e]+)$/i.exec(authorization ?? '')?.[1];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
