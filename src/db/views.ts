// The views of risk_bi that the queries read. The files in src/db/views create them; this file only names their
// columns.
import { bigint, integer, pgSchema, text, timestamp } from 'drizzle-orm/pg-core';

const riskBi = pgSchema('risk_bi');

export const riskLevelBySnapshot = riskBi
  .view('risk_level_by_snapshot', {
    account_id: text().notNull(),
    snapshot_id: bigint({ mode: 'number' }).notNull(),
    observed_at: timestamp({ withTimezone: true, mode: 'string' }).notNull(),
    max_risk_level: text().notNull(),
    user_count: integer().notNull(),
    verdict: text().notNull(),
  })
  .existing();
