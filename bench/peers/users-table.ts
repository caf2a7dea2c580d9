// The table of the peers that use Drizzle: the users as they are now. It keeps no history.
import { drizzle } from 'drizzle-orm/node-postgres';
import { sql } from 'drizzle-orm';
import { integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import pg from 'pg';

export const users = pgTable('users', {
  user_id: uuid().primaryKey(),
  email: text(),
  name: text(),
  max_risk_level: text().notNull(),
  event_count: integer().notNull(),
  last_event: timestamp({ withTimezone: true, mode: 'string' }).notNull(),
});

export type User = typeof users.$inferInsert;

export async function openUsers(url: string) {
  const pool = new pg.Pool({ connectionString: url });
  const db = drizzle(pool);
  await db.execute(sql`create table if not exists users (user_id uuid primary key, email text, name text,
    max_risk_level text not null, event_count integer not null, last_event timestamptz not null)`);
  return {
    /** Upserts all rows in one statement. No user may be in `rows` twice. */
    async upsert(rows: User[]): Promise<void> {
      await db
        .insert(users)
        .values(rows)
        .onConflictDoUpdate({
          target: users.user_id,
          set: {
            email: sql`excluded.email`,
            name: sql`excluded.name`,
            max_risk_level: sql`excluded.max_risk_level`,
            event_count: sql`excluded.event_count`,
            last_event: sql`excluded.last_event`,
          },
        });
    },
    close: () => pool.end(),
  };
}
