// What the summary says of one user. Imports nothing; every side of the program speaks these words.

/** Risk levels in rising order. Between two resets a user's level only rises (Cloudflare: the highest behaviour counts). */
export const RISK_LEVELS = ['low', 'medium', 'high'] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];

/** What may become of a user from one snapshot to the next. */
export const CHANGES = ['appeared', 'raised', 'lowered', 'cleared', 'returned'] as const;
export type Change = (typeof CHANGES)[number];
/** As they are listed: the gravest first. */
export const CHANGE_ORDER: readonly Change[] = ['raised', 'appeared', 'returned', 'lowered', 'cleared'];

/** The six fields that the summary serves for a user. */
export type UserRisk = {
  /** Lower-case uuid. */
  user_id: string;
  /** Null when the API leaves it out. */
  email: string | null;
  name: string | null;
  max_risk_level: RiskLevel;
  /** 0 to 2^31 - 1. */
  event_count: number;
  /** RFC 3339, as served: text until Postgres has it, so that microseconds survive. */
  last_event: string;
};
