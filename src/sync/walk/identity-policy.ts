// Decides what may be kept of a record's identity and texts, before any of it is compared or written: by PII_MODE, and
// because people were erased. It is the only place that decides this, so that no other path lets personal data in.
// Pure.
import { RAW_MAX_LENGTH } from '../../cloudflare/endpoints/summary/record.ts';
import { redactRecord } from '../../cloudflare/endpoints/summary/redact-record.ts';
import type { Erased } from '../../db/erased/read-erased.ts';
import type { PiiPolicy } from '../../pii-policy.ts';
import { NO_IDENTITY, type UserRisk } from '../../user-risk.ts';
import type { Rejection } from './quarantine.ts';

export type IdentityPolicy = {
  /** `isKnown`: this run has met the id before, or the account knows it as a present user. */
  accepted(served: UserRisk, isKnown: boolean): UserRisk;
  /** `rejection` has the text as served, and `record` is its source. */
  rejected(rejection: Rejection, record: unknown, isKnown: boolean): Rejection;
  /** The ids of the erased people who were met. */
  erasedMet(): ReadonlySet<string>;
};

const NOBODY: ReadonlySet<string> = new Set();

/** Everything is kept, and nobody was erased. */
export const AS_SERVED: IdentityPolicy = {
  accepted: (user) => user,
  rejected: (rejection) => rejection,
  erasedMet: () => NOBODY,
};

/** What is kept of a rejected record whose person was forgotten. */
export const FORGOTTEN_RAW = '[not kept: the person was forgotten]';

/**
 * A forgotten person keeps level and counters under the id that replaces theirs. An id that the account knows is never
 * a forgotten one, because an erasure replaces it. So nearly all records pass without a hash.
 */
export function identityPolicy(
  { mode, keep }: Pick<PiiPolicy, 'mode' | 'keep'>,
  erased: Erased,
): IdentityPolicy {
  const met = new Set<string>();
  const standIn = (userId: string, isKnown: boolean): string | null => {
    const id = isKnown ? null : erased.inPlaceOf(userId);
    if (id !== null) met.add(id);
    return id;
  };
  return {
    accepted(served, isKnown) {
      const id = standIn(served.user_id, isKnown);
      return id === null ? keep(served) : { ...served, ...NO_IDENTITY, user_id: id };
    },
    rejected(rejection, record, isKnown) {
      const { userId } = rejection;
      const id = userId === null ? null : standIn(userId, isKnown);
      if (id !== null) return { ...rejection, userId: id, raw: FORGOTTEN_RAW };
      if (mode !== 'full') return { ...rejection, raw: redactRecord(record) };
      if (userId !== null || !erased.isAnybodyForgotten) return rejection;
      return { ...rejection, raw: withoutTexts(record) };
    },
    erasedMet: () => met,
  };
}

/**
 * A record without a readable user may belong to a forgotten person. We no longer hold an email of that person to
 * compare. So the texts are left out, and the form is kept: it shows why the record was rejected.
 */
function withoutTexts(record: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(record, (_, value: unknown) =>
      typeof value === 'string' ? `[${value.length} characters]` : value,
    );
  } catch {
    // Nested too deeply for JSON.stringify.
  }
  return Buffer.from((text ?? '[not JSON]').slice(0, RAW_MAX_LENGTH)).toString();
}
