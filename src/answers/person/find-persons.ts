// Which persons match a user id or an email, in every account: for `person` and `erase`.
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import { createPersonMatcher } from '../../person-matcher.ts';
import { erasureOfPerson, type ErasedRow } from '../../queries/people/list-erased.ts';
import { idsOfEmail, personUsers, type PersonUser } from '../../queries/people/person-users.ts';
import { rejectedTexts } from '../../queries/people/rejected-texts.ts';
import { createPersonSearch } from '../../queries/users/person-search.ts';
import { keyNeeded } from '../pii-key-needed.ts';

/** `userId`: lower case, with dashes. */
export type WantedPerson = { userId: string } | { email: string };

export type FoundPerson = {
  /** Null: only rejected records without a readable user mention the email. */
  userId: string | null;
  /** Set if the person was erased and can be recognised. */
  erasure: ErasedRow | null;
  /** One for each account that knows the person. */
  users: PersonUser[];
};

export type FoundPersons = {
  persons: (FoundPerson & { userId: string })[];
  /** Rejected records that mention the id or the email. */
  strayRecords: number;
  /** False: the search is by email, and no email is kept. So it can find nobody. */
  canTell: boolean;
};

/** A whole user id, with or without dashes, or an email. Null: the text is neither. */
export function readAsked(text: string): WantedPerson | null {
  const digits = text.toLowerCase().replaceAll('-', '');
  if (/^[0-9a-f]{32}$/.test(digits))
    return { userId: digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') };
  return text.includes('@') ? { email: text } : null;
}

/**
 * By email, the users of rejected records are also found. By id, the result is exactly one person, even if no account
 * knows the id. `piiKey`: PII_KEY, for emails that are kept as hashes. Throws PII_KEY_NEEDED.
 */
export async function findPersons(db: Db, asked: WantedPerson, piiKey: string | null): Promise<FoundPersons> {
  const byEmail = 'email' in asked ? asked.email : null;
  const search = createPersonSearch(byEmail ?? '', piiKey);
  const ids = new Set('email' in asked ? await idsOfEmail(db, search) : [asked.userId]);
  const matcher = createPersonMatcher({
    userIds: byEmail === null ? [...ids] : [],
    identities: [{ email: byEmail, name: null }],
  });
  let strayRecords = 0;
  for await (const { user_id, raw } of rejectedTexts(db)) {
    const isOfId = byEmail === null && user_id !== null && ids.has(user_id);
    const mention = isOfId ? 'id' : matcher.mentionIn(raw);
    if (mention !== 'id' && mention !== 'email') continue;
    if (byEmail !== null && user_id !== null && emailOf(raw) === byEmail.toLowerCase()) ids.add(user_id);
    strayRecords++;
  }
  if (ids.size === 0 && search.met().locked) throw keyNeeded(piiKey);
  const persons: FoundPersons['persons'] = [];
  for (const userId of ids) persons.push(await personOf(db, userId));
  return { persons, strayRecords, canTell: byEmail === null || search.met().some };
}

/** Nothing is held of this person. */
export function isUnknown({ persons, strayRecords }: FoundPersons): boolean {
  return strayRecords === 0 && persons.every(({ erasure, users }) => erasure === null && users.length === 0);
}

/** The record of another person may also mention the email. */
function emailOf(raw: string): string | null {
  try {
    const { email } = JSON.parse(raw) as { email?: unknown };
    return typeof email === 'string' ? email.toLowerCase() : null;
  } catch {
    return null;
  }
}

async function personOf(db: Db, userId: string): Promise<FoundPersons['persons'][number]> {
  const erasure = await erasureOfPerson(db, userId);
  const users = await personUsers(db, erasure === null ? [userId] : [userId, erasure.user_id]);
  return { userId, erasure, users };
}

export function personNotFound(asked: WantedPerson, { canTell }: FoundPersons, todo: string): OperatorError {
  const code = 'USER_NOT_FOUND';
  if (!canTell)
    return new OperatorError({
      code,
      happened: 'No email is kept in this history, so nobody can be found by one',
      means: 'PII_MODE is none, or nobody was met yet. The history may hold levels of this person',
      todo: 'Give the whole user id',
    });
  const gone = 'the person was erased and is not recognised any more';
  // An email must not reach a log.
  if ('email' in asked)
    return new OperatorError({
      code,
      happened: 'Nothing is held of a person with this email',
      means: `No account ever held this email, or ${gone}`,
      todo,
    });
  return new OperatorError({
    code,
    happened: `Nothing is held of a person with the id ${asked.userId}`,
    means: `No account ever met this person, or ${gone}`,
    todo,
  });
}
