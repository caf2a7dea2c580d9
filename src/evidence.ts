// What a run keeps of how it came to its verdict: `sync_runs.evidence`. Written as this type, read through `readEvidence`.
// A leaf, because the client, the write side, the schema and the read side all name its parts. No emails, no names.
import * as z from 'zod';

const count = z.number().catch(0);
const someCount = z.number().optional().catch(undefined);
const total = z.number().nullable().catch(null);
const names = z.array(z.string()).optional().catch(undefined);

/** How the server treated `page` and `per_page`. */
const Paging = z.object({
  page: z.enum(['honoured', 'ignored', 'not_needed']),
  per_page: z.enum(['honoured', 'clamped', 'ignored']),
  asked_per_page: z.number(),
  /** Records on the first page. */
  page_size: z.number(),
  totals: z.boolean(),
});
export type Paging = z.infer<typeof Paging>;

/** How the users that the walk did not meet were asked about, and what their own records said. Counts of users. */
export const Lookups = z.object({
  /** off: not to be asked. refused, control_failed: two walks decide. unanswered: the next run asks. */
  state: z.enum(['working', 'off', 'refused', 'control_failed', 'unanswered']).optional().catch(undefined),
  missing: count,
  asked: count,
  /** Without an answer that counts: beyond the budget, not reached, or after the last control that passed. */
  waiting: count,
  level: count,
  no_level: count,
  reset: count,
  not_found: count,
  unreadable: count,
  /** The own record insists on a level through complete walks that lack the user. */
  insisting: count,
});
export type Lookups = z.infer<typeof Lookups>;

const PassEvidence = z.object({
  records: count,
  met: z.number(),
  duplicates: count,
  total_first: total,
  total_last: total,
  /** Of several passes: users whom earlier passes met as well, and users whom none of them met. */
  met_before: someCount,
  met_first: someCount,
});
export type PassEvidence = z.infer<typeof PassEvidence>;

/** Everything may be missing: earlier versions kept less, and a run that failed may have kept nothing. */
const Evidence = z.object({
  paging: Paging.partial().optional().catch(undefined),
  /** What of `paging` differs from the run before. */
  paging_changed: names,
  /** Why the walk is partial; empty when it is complete. */
  reasons: names,
  first_page_size: someCount,
  repeated_pages: someCount,
  one_response: z.boolean().optional().catch(undefined),
  /** Kept where there were several. */
  passes: z.array(PassEvidence).optional().catch(undefined),
  records_without_email: someCount,
  records_without_name: someCount,
  unreadable_records: someCount,
  unknown_fields: names,
  lookups: Lookups.optional().catch(undefined),
  /** Of a run whose process died: the last sign of life, and how far it had come. */
  last_heartbeat_at: z.string().optional().catch(undefined),
  progress: z.record(z.string(), z.unknown()).optional().catch(undefined),
});
export type Evidence = z.infer<typeof Evidence>;
/** The paging of a run that has ended, as far as it was kept. */
export type KeptPaging = NonNullable<Evidence['paging']>;

/** Whatever was kept: a part of an unknown shape counts as missing. */
export function readEvidence(kept: unknown): Evidence {
  return Evidence.catch({}).parse(kept);
}
