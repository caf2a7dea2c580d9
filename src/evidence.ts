// `sync_runs.evidence`: the facts behind a run's verdict. It is written as this type and read through `readEvidence`. A
// leaf, because the client, the write side, the schema and the read side all use its names. No emails, no names of
// users.
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

/** For SYNC_PER_PAGE=auto, if larger pages were refused or too slow. */
const PageSizeKept = z.object({
  /** The size that worked. 0: the parameter was left out. */
  per_page: z.number(),
  /** When larger sizes were last tried. */
  tried_at: z.string(),
});
export type PageSizeKept = z.infer<typeof PageSizeKept>;

/** The lookups of users that the walk did not meet, and what their own records said. Counts of users. */
export const Lookups = z.object({
  /** off: lookups are switched off. refused, control_failed: two walks decide. unanswered: the next run asks. */
  state: z.enum(['working', 'off', 'refused', 'control_failed', 'unanswered']).optional().catch(undefined),
  missing: count,
  asked: count,
  /** Users without a valid answer: beyond the budget, not reached, or asked after the last control that passed. */
  waiting: count,
  level: count,
  /** No level, but no reset either. Clears a user only with a second witness: two complete walks, or a person. */
  no_level: count,
  reset: count,
  not_found: count,
  /** The answer is not a record, contradicts itself, or names another person. */
  unreadable: count,
  /** The own record still shows a level, although several complete walks did not meet the user. */
  insisting: count,
});
export type Lookups = z.infer<typeof Lookups>;

const PassEvidence = z.object({
  records: count,
  met: z.number(),
  duplicates: count,
  total_first: total,
  total_last: total,
  /** If there were several passes: users that earlier passes also met, and users that no earlier pass met. */
  met_before: someCount,
  met_first: someCount,
});
export type PassEvidence = z.infer<typeof PassEvidence>;

/** Every part may be missing: earlier versions stored less, and a failed run may have stored nothing. */
const Evidence = z.object({
  paging: Paging.partial().optional().catch(undefined),
  /** The parts of `paging` that differ from the run before. */
  paging_changed: names,
  page_size: PageSizeKept.optional().catch(undefined),
  /** If the page after the last one was refused instead of empty: the answer, for example `CLOUDFLARE_7003`. */
  refused_end: z.string().optional().catch(undefined),
  /** Why the walk is partial. Empty if it is complete. */
  reasons: names,
  first_page_size: someCount,
  repeated_pages: someCount,
  one_response: z.boolean().optional().catch(undefined),
  /** Stored if there were several. */
  passes: z.array(PassEvidence).optional().catch(undefined),
  records_without_email: someCount,
  records_without_name: someCount,
  unreadable_records: someCount,
  /** How many rejected records of the newest reading were only counted, by reason: their text is not kept. */
  rejected_not_kept: z.record(z.string(), z.number()).optional().catch(undefined),
  unknown_fields: names,
  lookups: Lookups.optional().catch(undefined),
  /** For a run with a dead process: its last sign of life, and its progress. */
  last_heartbeat_at: z.string().optional().catch(undefined),
  progress: z.record(z.string(), z.unknown()).optional().catch(undefined),
});
export type Evidence = z.infer<typeof Evidence>;
/** The parts of the paging that a finished run stored. */
export type KeptPaging = NonNullable<Evidence['paging']>;

/** Reads any stored value. A part of unknown shape counts as missing. */
export function readEvidence(kept: unknown): Evidence {
  return Evidence.catch({}).parse(kept);
}
