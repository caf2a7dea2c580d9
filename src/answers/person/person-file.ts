// Everything that is held of one person, in every account, as JSON: for the person's right of access. The shape is a
// contract (docs/erasure.md): fields are only added. The text is made while rows are read, because an activity may be
// long.
import type { Db } from '../../db/handle.ts';
import { createPersonMatcher, type PersonMatcher } from '../../person-matcher.ts';
import {
  personActivity,
  personIdentities,
  personLevels,
  personLookup,
} from '../../queries/people/person-history.ts';
import type { PersonUser } from '../../queries/people/person-users.ts';
import { rejectedTexts, type RejectedText } from '../../queries/people/rejected-texts.ts';
import { runTexts, type RunText } from '../../queries/people/run-texts.ts';
import type { FoundPerson } from './find-persons.ts';

export const PERSON_FORMAT = 'zt-risk-sync/person/1';

export type PersonCounts = {
  accounts: number;
  identities: number;
  levels: number;
  activity: number;
  rejected: number;
  /** Records that mention the person or the name, but may be about another person: people must look at them. */
  unsure: number;
};

type Account = Pick<PersonUser, 'account_key' | 'account_id' | 'label'>;
/** `user` null: only texts of the account mention the person. */
type InAccount = { account: Account; user: PersonUser | null };
type Texts = { rejected: RejectedText[]; unsure: RejectedText[]; runs: RunText[] };

export type PersonRequest = {
  person: FoundPerson;
  /** The id or email that the person was searched by. */
  email: string | null;
  /** ISO 8601. */
  madeAt: string;
};

/** Counts while rows are read, and adds to `counts`. */
export async function* personFile(
  db: Db,
  { person, email, madeAt }: PersonRequest,
  counts: PersonCounts,
): AsyncGenerator<string> {
  const { userId, erasure, users } = person;
  const identities = (await Promise.all(users.map((user) => personIdentities(db, user)))).flat();
  const matcher = createPersonMatcher({
    userIds: userId === null ? [] : [userId],
    identities: [...identities, { email, name: null }],
  });
  const texts = await readTexts(db, person, matcher);
  const head = { format: PERSON_FORMAT, made_at: madeAt, user_id: userId, erasure };
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "accounts": [`;
  for (const [nth, one] of accountsOf(users, texts).entries()) {
    yield nth === 0 ? '\n' : ',\n';
    counts.accounts++;
    yield* accountPart(db, one, texts, counts);
  }
  yield '\n  ]\n}\n';
}

/** The accounts that know the person are first. */
function accountsOf(users: readonly PersonUser[], { rejected, unsure, runs }: Texts): InAccount[] {
  const found: InAccount[] = users.map((user) => ({ account: user, user }));
  for (const account of [...rejected, ...unsure, ...runs])
    if (!found.some((one) => one.account.account_key === account.account_key))
      found.push({ account, user: null });
  return found;
}

async function readTexts(db: Db, { userId, erasure }: FoundPerson, matcher: PersonMatcher): Promise<Texts> {
  const texts: Texts = { rejected: [], unsure: [], runs: [] };
  const ids = [userId, erasure?.user_id];
  for await (const text of rejectedTexts(db)) {
    const mention = matcher.mentionIn(text.raw);
    if (text.user_id !== null && ids.includes(text.user_id)) texts.rejected.push(text);
    else if (text.user_id === null && (mention === 'id' || mention === 'email')) texts.rejected.push(text);
    // It belongs to another user, or only the name is the same. So its content could be about another person.
    else if (mention !== null && mention !== 'part') texts.unsure.push(text);
  }
  for await (const text of runTexts(db))
    if (matcher.without(text.error_message ?? '') !== null || matcher.withoutIn(text.evidence) !== null)
      texts.runs.push(text);
  return texts;
}

async function* accountPart(
  db: Db,
  { account, user }: InAccount,
  texts: Texts,
  counts: PersonCounts,
): AsyncGenerator<string> {
  const here = <T extends { account_key: number }>(rows: readonly T[]) =>
    rows.filter(({ account_key }) => account_key === account.account_key);
  const unsure = here(texts.unsure).length;
  counts.unsure += unsure;
  const facts = {
    account_id: account.account_id,
    account_label: account.label,
    user_id: user?.user_id ?? null,
    erased_at: user?.erased_at ?? null,
    state: user === null ? null : stateOf(user),
    last_lookup: user === null ? null : await personLookup(db, user),
    unsure_rejected_records: unsure,
  };
  yield `    ${JSON.stringify(facts, null, 2).slice(0, -2).replaceAll('\n', '\n    ')}`;
  const count = (name: keyof PersonCounts) => () => void counts[name]++;
  const nothing = () => undefined;
  yield* list('identities', user === null ? [] : await personIdentities(db, user), count('identities'));
  yield* list('levels', user === null ? [] : await personLevels(db, user), count('levels'));
  yield* list('activity', user === null ? [] : personActivity(db, user), count('activity'));
  yield* list('rejected_records', here(texts.rejected).map(recordOf), count('rejected'));
  yield* list('runs', here(texts.runs).map(runOf), nothing);
  yield '\n    }';
}

/** One line for each row. */
async function* list(
  name: string,
  rows: Iterable<unknown> | AsyncIterable<unknown>,
  count: () => void,
): AsyncGenerator<string> {
  yield `,\n      "${name}": [`;
  let before = '\n';
  for await (const row of rows) {
    count();
    yield `${before}        ${JSON.stringify(row)}`;
    before = ',\n';
  }
  yield before === '\n' ? ']' : '\n      ]';
}

function stateOf(user: PersonUser) {
  const { max_risk_level, event_count, last_event, level_since, first_seen_at, absent_since, cleared_at } =
    user;
  return {
    is_present: max_risk_level !== null,
    max_risk_level,
    event_count,
    last_event,
    level_since,
    first_seen_at,
    absent_since,
    cleared_at,
  };
}

function recordOf({ first_seen_at, last_seen_at, reason, raw }: RejectedText) {
  return { first_seen_at, last_seen_at, reason, record: raw };
}

function runOf({ run_id, finished_at, error_code, error_message, evidence }: RunText) {
  return { run_id, finished_at, error_code, error_message, evidence };
}
