// The order of risk levels in SQL. As text, high sorts before low, and low before medium.
import { sql, type SQL } from 'drizzle-orm';
import { RISK_LEVELS } from '../../user-risk.ts';

const ARRAY = sql.raw(`array[${RISK_LEVELS.map((level) => `'${level}'`).join(', ')}]`);

/** 1 for the lowest level. Null stays null, so `desc` needs `nulls last`. */
export function levelRank(level: SQL): SQL {
  return sql`array_position(${ARRAY}, ${level})`;
}
