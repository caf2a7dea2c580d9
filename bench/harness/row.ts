// One row of a report: the medians over the rounds of a case, with references from the same run.
import type { Figures } from './measure.ts';
import { median, medians } from './median.ts';
import type { Row } from './report.ts';

/** NaN if the suite does not measure it. */
export type References = { copyMs: number; walkMs: number };

export function caseRow(
  name: Row,
  rounds: readonly Figures[],
  references: readonly References[],
  more: Row = {},
): Row {
  const of = medians(rounds);
  const reference = medians(references);
  return {
    ...name,
    wall_ms: of.wallMs,
    copy_x: of.wallMs / reference.copyMs,
    walk_x: of.wallMs / reference.walkMs,
    client_cpu_ms: of.clientCpuMs,
    server_cpu_ms: of.serverCpuMs,
    peak_mb: of.peakMb,
    wal_mb: of.walMb,
    start_ms: of.startMs,
    bare_copy_ms: reference.copyMs,
    bare_walk_ms: reference.walkMs,
    api_cpu_ms: median(rounds.map(({ apiCpuMs }) => apiCpuMs)),
    ...more,
    rounds_ms: rounds.map(({ wallMs }) => Math.round(wallMs)),
  };
}
