// How many people were erased, and when. Nothing shows who they were.
import { sql } from 'drizzle-orm';
import { on, type Db } from '../../db/handle.ts';
import { erasedPeople as p } from '../../db/schema.ts';

export type ErasedSummary = {
  /** Erasures that are complete, and those that were begun. */
  finished: number;
  unfinished: number;
  /** Of all erased people, those who stay forgotten when they are served again. */
  forgotten: number;
  first_at: Date | null;
  last_at: Date | null;
};

type Row = Omit<ErasedSummary, 'first_at' | 'last_at'> & Record<'first_at' | 'last_at', string | null>;

export async function erasedSummary(db: Db): Promise<ErasedSummary> {
  const { rows } = await on(db).execute<Row>(sql`
    select count(${p.finished_at})::float8 as finished, (count(*) - count(${p.finished_at}))::float8 as unfinished,
           count(*) filter (where ${p.mode} = 'forget')::float8 as forgotten, min(${p.began_at}) as first_at,
           max(${p.began_at}) as last_at
      from ${p}`);
  const row = rows[0]!;
  const time = (text: string | null) => (text === null ? null : new Date(text));
  return { ...row, first_at: time(row.first_at), last_at: time(row.last_at) };
}
