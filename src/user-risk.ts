// What the summary says about one user: the words that every part of the program uses. Imports nothing.

/**
 * Risk levels in rising order. Between two resets a user's level only rises (Cloudflare: the highest behaviour counts).
 */
export const RISK_LEVELS = ['low', 'medium', 'high'] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];

/** What can happen to a user from one snapshot to the next. */
export const CHANGES = ['appeared', 'raised', 'lowered', 'cleared', 'returned'] as const;
export type Change = (typeof CHANGES)[number];
/** The order in lists: the most serious first. */
export const CHANGE_ORDER: readonly Change[] = ['raised', 'appeared', 'returned', 'lowered', 'cleared'];

/** The six fields that the summary serves for a user. */
export type UserRisk = {
  /** Lower-case uuid. */
  user_id: string;
  /** Null if the API leaves it out. */
  email: string | null;
  name: string | null;
  max_risk_level: RiskLevel;
  /** 0 to 2^31 - 1. */
  event_count: number;
  /** RFC 3339, as served. It stays text, because a Date would lose the microseconds. */
  last_event: string;
};

/**
 * Which history stores a field. The parts of a record change at different rates, so each has its own table. A new field
 * of UserRisk must be named here. Columns of statements, bits of the comparison and checks follow from this list. The
 * fields of the identity are personal data: what is kept, hashed, rewritten, granted and shown follows from it as well.
 */
export const HISTORY_OF = {
  email: 'identity',
  name: 'identity',
  max_risk_level: 'level',
  event_count: 'activity',
  last_event: 'activity',
} as const satisfies Record<Exclude<keyof UserRisk, 'user_id'>, string>;

export type UserField = keyof typeof HISTORY_OF;
export type HistoryName = (typeof HISTORY_OF)[UserField];
export type FieldOf<H extends HistoryName> = {
  [F in UserField]: (typeof HISTORY_OF)[F] extends H ? F : never;
}[UserField];

/** In the order above, which is also the order of their columns. */
export function fieldsOf<H extends HistoryName>(history: H): FieldOf<H>[] {
  const fields = Object.keys(HISTORY_OF) as UserField[];
  return fields.filter((field): field is FieldOf<H> => HISTORY_OF[field] === history);
}

/** Email and name. */
export type IdentityField = FieldOf<'identity'>;
export type Identity = Pick<UserRisk, IdentityField>;
export const IDENTITY_FIELDS: readonly IdentityField[] = fieldsOf('identity');

/** A value for each field of the identity. */
export function mapIdentity<T>(valueOf: (field: IdentityField, nth: number) => T): Record<IdentityField, T> {
  const values = IDENTITY_FIELDS.map((field, nth) => [field, valueOf(field, nth)]);
  return Object.fromEntries(values) as Record<IdentityField, T>;
}

export const NO_IDENTITY: Readonly<Identity> = mapIdentity(() => null);
