// People with unique names, their erasure, and the search for what is left of them.
import { randomBytes, randomUUID } from 'node:crypto';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import type { EraseMode } from '../../../src/upkeep/erase/erased-person.ts';
import { erasePerson, type EraseDeps, type Erasing } from '../../../src/upkeep/erase/erase-person.ts';
import type { UserRisk } from '../../../src/user-risk.ts';
import type { MigratedDatabase } from '../database/migrated-database.ts';

/** `texts`: in small letters, what must be found nowhere afterwards. */
export type RarePerson = UserRisk & { texts: string[] };

export function rarePerson(over: Partial<UserRisk> = {}): RarePerson {
  const letters = () =>
    randomBytes(5)
      .toString('hex')
      .replaceAll(/\d/g, (digit) => 'ghijklmnop'[Number(digit)]!);
  const [given, family] = [`Q${letters()}`, `X${letters()}`];
  const userId = randomUUID();
  const person: UserRisk = {
    user_id: userId,
    email: `${given}.${family}@example.com`,
    name: `${given} ${family}`,
    max_risk_level: 'medium',
    event_count: 3,
    last_event: '2026-01-05T10:00:00.000001Z',
    ...over,
  };
  return Object.defineProperty(person, 'texts', {
    enumerable: false,
    value: [userId, userId.replaceAll('-', ''), given.toLowerCase(), family.toLowerCase()],
  }) as RarePerson;
}

type Over = Partial<EraseDeps> & { mode?: EraseMode; email?: string };

export function eraseOf(
  db: Pick<MigratedDatabase, 'pool'>,
  userId: string,
  { mode = 'forget', email, ...over }: Over = {},
): Promise<Erasing> {
  return erasePerson(
    {
      pool: db.pool,
      timing: { ...LEASE_TIMING, pollMs: 10 },
      signal: new AbortController().signal,
      onBusy: () => undefined,
      onProgress: () => undefined,
      ...over,
    },
    { userId, mode, email: email ?? null },
  );
}

/** Every row of every table of the database as text, and the planner's samples of values, in small letters. */
export async function everythingIn(db: Pick<MigratedDatabase, 'rows'>): Promise<string> {
  const tables = await db.rows<{ name: string }>(
    `select c.oid::regclass::text as name from pg_class c
      where relkind = 'r' and relnamespace in (select oid from pg_namespace where nspname like 'risk%')`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const rows = await db.rows<{ text: string }>(`select t::text as text from ${name} t`);
    texts.push(...rows.map(({ text }) => text));
  }
  const samples = await db.rows<{ text: string }>(
    `select concat_ws(' ', most_common_vals::text, histogram_bounds::text) as text from pg_stats where schemaname like 'risk%'`,
  );
  return [...texts, ...samples.map(({ text }) => text)].join('\n').toLowerCase();
}
