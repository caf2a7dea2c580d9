// The order of risk levels in SQL: text sorts high before low before medium.
import { sql, type SQL } from 'drizzle-orm';
import { RISK_LEVELS } from '../user-risk.ts';

const ARRAY = sql.raw(`array[${RISK_LEVELS.map((level) => `'${level}'`).join(', ')}]`);

/** 1 for the lowest level; null stays null, so that `desc` wants `nulls last`. */
export function levelRank(level: SQL): SQL {
  return sql`array_position(${ARRAY}, ${level})`;
}
