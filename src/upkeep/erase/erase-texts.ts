// Removes a person from the texts of one account that were kept as served: rejected records and messages of runs. The
// texts are compared in this process, because an email in a statement would be in the server's log.
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { rejectedRecords as r, syncRuns as s } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import type { Evidence } from '../../evidence.ts';
import type { PersonMatcher } from '../../person-matcher.ts';

// Texts per statement: at most four megabytes.
const AT_ONCE = 1_000;

/** Deletes whole records, even if they only mention the person. Returns the number deleted. */
export async function deleteRejected(
  tx: Transaction,
  accountKey: number,
  userIds: readonly string[],
  matcher: Pick<PersonMatcher, 'mentionIn'>,
): Promise<number> {
  const found: string[] = [];
  let last = '';
  for (;;) {
    const rows = await tx
      .select({ hash: r.record_hash, userId: r.user_id, raw: r.raw })
      .from(r)
      .where(and(eq(r.account_key, accountKey), gt(r.record_hash, last)))
      .orderBy(asc(r.record_hash))
      .limit(AT_ONCE);
    for (const { hash, userId, raw } of rows)
      if ((userId !== null && userIds.includes(userId)) || matcher.mentionIn(raw) !== null) found.push(hash);
    const end = rows.at(-1);
    if (end === undefined || rows.length < AT_ONCE) break;
    last = end.hash;
  }
  if (found.length === 0) return 0;
  const { rowCount } = await tx
    .delete(r)
    .where(and(eq(r.account_key, accountKey), sql`${r.record_hash} = any (${sql.param(found)}::text[])`));
  return rowCount ?? 0;
}

export type RunTexts = { runId: number; isPublished: boolean; message: string | null; evidence: Evidence };

/** The runs whose texts mention the person, with the texts that remain. */
export async function findRunTexts(
  tx: Transaction,
  accountKey: number,
  matcher: Pick<PersonMatcher, 'without' | 'withoutIn'>,
): Promise<RunTexts[]> {
  const found: RunTexts[] = [];
  let last = -1;
  for (;;) {
    const rows = await tx
      .select({
        runId: s.run_id,
        isPublished: sql<boolean>`${s.snapshot_id} is not null`,
        message: s.error_message,
        evidence: s.evidence,
      })
      .from(s)
      // The other parts of the evidence are numbers, and this program's own texts.
      .where(
        and(
          eq(s.account_key, accountKey),
          gt(s.run_id, last),
          sql`(${s.error_message} is not null or ${s.evidence} ?| array['unknown_fields', 'refused_end', 'rejected_not_kept'])`,
        ),
      )
      .orderBy(asc(s.run_id))
      .limit(AT_ONCE);
    for (const { runId, isPublished, message, evidence } of rows) {
      const words = message === null ? null : matcher.without(message);
      const facts = matcher.withoutIn(evidence);
      if (words === null && facts === null) continue;
      found.push({
        runId,
        isPublished,
        message: words ?? message,
        evidence: facts ?? evidence,
      });
    }
    const end = rows.at(-1);
    if (end === undefined || rows.length < AT_ONCE) return found;
    last = end.runId;
  }
}

/** A published run keeps its feed value, which is the id of its snapshot. */
export async function writeRunTexts(
  tx: Transaction,
  accountKey: number,
  texts: readonly RunTexts[],
  feedId: number,
): Promise<void> {
  for (const { runId, isPublished, message, evidence } of texts)
    await tx
      .update(s)
      .set({ error_message: message, evidence, ...(isPublished ? {} : { feed_id: feedId }) })
      .where(and(eq(s.account_key, accountKey), eq(s.run_id, runId)));
}
