// A body as the scanner reads it in pieces, and as JSON.parse reads the whole of it.
import assert from 'node:assert/strict';
import { BODY_LIMITS } from '../../../src/cloudflare/body-limits.ts';
import { parseJson, readErrors, readSummary } from '../../../src/cloudflare/responses.ts';
import { createSummaryScanner } from '../../../src/cloudflare/endpoints/summary/scan-summary.ts';

export type Reading = { records: unknown[]; info: object; errors: unknown } | 'refused';

function judged(json: unknown, records?: unknown[]): Reading {
  const summary = readSummary(json);
  const errors = readErrors(json);
  if (summary === null && errors === null) return 'refused';
  return { records: summary === null ? [] : (records ?? summary.records), info: summary?.info ?? {}, errors };
}

export function whole(bytes: Uint8Array): Reading {
  return judged(parseJson(new TextDecoder().decode(bytes)));
}

export function streamed(pieces: Iterable<Uint8Array>, batchBytes = BODY_LIMITS.batchBytes): Reading {
  const records: unknown[] = [];
  const scanner = createSummaryScanner({ ...BODY_LIMITS, batchBytes }, (record) => records.push(record));
  try {
    for (const piece of pieces) scanner.push(piece);
    return judged(parseJson(scanner.end()), records);
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'NOT_A_SUMMARY', String(error));
    return 'refused';
  }
}

export function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const length = lengths.length === 0 ? bytes.length : lengths[n % lengths.length]!;
    // A fresh buffer for each piece: the scanner must not read earlier pieces again.
    const piece = Uint8Array.from(bytes.subarray(at, at + length));
    yield piece;
    piece.fill(0x7b);
    at += length;
  }
}
