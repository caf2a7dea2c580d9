// The name that PostgreSQL gives to a time zone, asked of PostgreSQL itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { postgresZone } from '../../src/queries/postgres-zone.ts';
import { migratedDatabase, type MigratedDatabase } from '../support/database/migrated-database.ts';

let db: MigratedDatabase;
before(async () => {
  db = await migratedDatabase();
});
after(() => db.close());

test('PostgreSQL shows the local time of an offset as a person would, east and west of Greenwich', async () => {
  const noonIs: Record<string, string> = {
    '+05:30': '17:30',
    '+0530': '17:30',
    '+05': '17:00',
    '-03:30': '08:30',
    '-0330': '08:30',
    '-08': '04:00',
    '+00:00': '12:00',
    'Asia/Tokyo': '21:00',
    UTC: '12:00',
  };
  for (const [timezone, wanted] of Object.entries(noonIs)) {
    const [row] = await db.rows<{ wall: string }>(
      `select to_char('2026-03-01T12:00:00Z'::timestamptz at time zone $1::text, 'HH24:MI') as wall`,
      [postgresZone(timezone)],
    );
    assert.equal(row?.wall, wanted, timezone);
  }
});
