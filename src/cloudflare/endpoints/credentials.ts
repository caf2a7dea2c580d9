// What the API says about the credentials themselves. This is documented, but two points are not proven against the
// live server. One is the answer to a token of the wrong kind (reports say 401 or 403). The other is whether the API
// still calls an expired token expired.
import * as z from 'zod';
import { isDateTime } from './summary/date-time.ts';

export type TokenState = {
  /** As served: active, disabled and expired are documented. */
  status: string;
  /** RFC 3339. Null: no end, or no beginning. */
  expiresOn: string | null;
  notBefore: string | null;
};

const dateTime = z.string().refine(isDateTime).nullish().catch(null);

const TokenEnvelope = z.object({
  success: z.literal(true),
  result: z.object({ status: z.string().regex(/^\w{1,40}$/), expires_on: dateTime, not_before: dateTime }),
});

// Only this field of the member is read: the rest is personal.
const MemberEnvelope = z.object({
  success: z.literal(true),
  result: z.object({ suspended: z.boolean().nullish().catch(null) }),
});

/** Null if the JSON does not describe a token. */
export function readTokenState(json: unknown): TokenState | null {
  const parsed = TokenEnvelope.safeParse(json);
  if (!parsed.success) return null;
  const { status, expires_on, not_before } = parsed.data.result;
  return { status, expiresOn: expires_on ?? null, notBefore: not_before ?? null };
}

/** Null if the JSON does not describe a member. */
export function readMember(json: unknown): { suspended: boolean } | null {
  const parsed = MemberEnvelope.safeParse(json);
  return parsed.success ? { suspended: parsed.data.result.suspended === true } : null;
}
