// What the API says of the credentials themselves. Documented, and unproven against the live server: what it answers to a
// token of the other kind (reports say 401 or 403), and whether an expired token is still told that it is one.
import * as z from 'zod';
import { isDateTime } from './summary/date-time.ts';

export type TokenState = {
  /** As served: active, disabled and expired are documented. */
  status: string;
  /** RFC 3339; null: never, or not before any time. */
  expiresOn: string | null;
  notBefore: string | null;
};

const dateTime = z.string().refine(isDateTime).nullish().catch(null);

const TokenEnvelope = z.object({
  success: z.literal(true),
  result: z.object({ status: z.string().regex(/^\w{1,40}$/), expires_on: dateTime, not_before: dateTime }),
});

// Of the member nothing else is looked at: the rest is personal.
const MemberEnvelope = z.object({
  success: z.literal(true),
  result: z.object({ suspended: z.boolean().nullish().catch(null) }),
});

/** Null when the JSON says nothing of a token. */
export function readTokenState(json: unknown): TokenState | null {
  const parsed = TokenEnvelope.safeParse(json);
  if (!parsed.success) return null;
  const { status, expires_on, not_before } = parsed.data.result;
  return { status, expiresOn: expires_on ?? null, notBefore: not_before ?? null };
}

/** Null when the JSON says nothing of a member. */
export function readMember(json: unknown): { suspended: boolean } | null {
  const parsed = MemberEnvelope.safeParse(json);
  return parsed.success ? { suspended: parsed.data.result.suspended === true } : null;
}
