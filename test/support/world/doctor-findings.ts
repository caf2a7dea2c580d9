// Assertions of the `doctor` tests about its lines.
import assert from 'node:assert/strict';
import { CHECKS } from '../../../src/commands/doctor/lines.ts';
import type { Diagnosis } from './doctor-patient.ts';

/** The checks that are not ok, except `settings`, because the tests' server runs without fsync. */
export const troubles = ({ lines }: Diagnosis): string[] =>
  lines
    .filter(
      ({ check, status, found }) =>
        status !== 'ok' && !(check === 'settings' && found.startsWith('fsync off')),
    )
    .map(({ check, status }) => `${check} ${status}`);

/** Without `overall`, which is reported only of many accounts. */
export const skippedAfter = (check: (typeof CHECKS)[number]): string[] =>
  CHECKS.slice(CHECKS.indexOf(check) + 1)
    .filter((name) => name !== 'overall')
    .map((name) => `${name} skipped`);

/** This finding alone decides the exit code, and no other check is affected. */
export function assertOnly(
  diagnosis: Diagnosis,
  expected: { check: string; status: string; code: number; found: RegExp; mend: RegExp },
): void {
  assert.deepEqual(troubles(diagnosis), [`${expected.check} ${expected.status}`]);
  assertLine(diagnosis, expected);
}

export function assertLine(
  diagnosis: Diagnosis,
  expected: { check: string; status: string; code: number; found: RegExp; mend?: RegExp },
): void {
  const line = diagnosis.line(expected.check);
  assert.equal(line.status, expected.status, line.found);
  assert.match(line.found, expected.found);
  if (expected.mend !== undefined) assert.match(line.mend ?? '', expected.mend);
  assert.equal(diagnosis.code, expected.code);
}
