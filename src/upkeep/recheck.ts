// Checks whether this version would accept a rejected record, if enough of its text was kept. Pure.
import { parseRecord, RAW_MAX_LENGTH } from '../cloudflare/endpoints/summary/record.ts';
import { REDACTED } from '../cloudflare/endpoints/summary/redact-record.ts';

export type Recheck =
  /** This version accepts it. */
  | { outcome: 'accepted'; reason: null }
  /** This version also rejects it. `reason` is the reason of this version. */
  | { outcome: 'rejected'; reason: string }
  /** Too little of its text was kept. */
  | { outcome: 'unknown'; reason: string };

export function recheck(raw: string): Recheck {
  let record: unknown;
  try {
    record = JSON.parse(raw);
  } catch {
    if (raw.startsWith(REDACTED))
      return { outcome: 'unknown', reason: 'the record was kept without emails and names' };
    const cut = `the record was cut at ${RAW_MAX_LENGTH.toLocaleString('en-US')} characters`;
    return {
      outcome: 'unknown',
      reason: isCut(raw) ? cut : 'the record could not be kept as text',
    };
  }
  const parsed = parseRecord(record);
  return parsed.ok ? { outcome: 'accepted', reason: null } : { outcome: 'rejected', reason: parsed.reason };
}

export function isCut(raw: string): boolean {
  return raw.length >= RAW_MAX_LENGTH;
}
