// The lines that the checks of `doctor` report, and the exit code of all lines. Pure.
import { ERRORS, EXIT, worstExit, type ErrorCode, type ExitCode, type OperatorError } from '../../errors.ts';

/** Stable, because scripts read them. In the order of the checks. */
export const CHECKS = [
  'configuration',
  'database',
  'settings',
  'privileges',
  'migrations',
  'locks',
  'replication',
  'distribution',
  'shared_budget',
  'credentials',
  'accounts',
  'clock',
  'rate_budget',
  // Set only if there are more accounts than `doctor` examines one by one.
  'overall',
  'account',
  'lookups',
  'paging',
  'walk_time',
  'lease',
  'freshness',
  'last_run',
  'history',
  'counts',
  'retention',
  'identities',
  'absences',
  'rejected',
] as const;
export type Check = (typeof CHECKS)[number];

export type Status = 'ok' | 'warning' | 'failed' | 'skipped';

export type Line = {
  check: Check;
  status: Status;
  accountId?: string;
  found: string;
  mend?: string;
  /** The exit code if this were the only line. */
  exit: ExitCode;
};

export function ok(check: Check, found: string): Line {
  return { check, status: 'ok', found, exit: EXIT.done };
}

export function warning(check: Check, found: string, mend: string): Line {
  return { check, status: 'warning', found, mend, exit: EXIT.done };
}

export function failed(check: Check, exit: ExitCode, found: string, mend: string): Line {
  return { check, status: 'failed', found, mend, exit };
}

/** With the exit code of a run that fails with this code. */
export function failedAs(check: Check, code: ErrorCode, found: string, mend: string): Line {
  return failed(check, ERRORS[code], `${code}: ${found}`, mend);
}

export function failedWith(check: Check, error: OperatorError): Line {
  return failedAs(check, error.code, error.happened, error.todo);
}

export function skipped(check: Check, why: string): Line {
  return { check, status: 'skipped', found: why, exit: EXIT.done };
}

/** Several findings of one check as one line: the gravest decides, and all fixes are kept. */
export function merged(check: Check, whenGood: string, findings: readonly Line[]): Line {
  if (findings.length === 0) return ok(check, whenGood);
  const mends = findings.flatMap(({ mend }) => (mend === undefined ? [] : [mend]));
  return {
    check,
    status: findings.some(({ status }) => status === 'failed') ? 'failed' : 'warning',
    found: findings.map(({ found }) => found).join('; '),
    mend: [...new Set(mends)].join('; '),
    exit: worstExit(findings.map(({ exit }) => exit)),
  };
}

/** 0 unless a check failed. */
export function exitOf(lines: readonly Line[]): ExitCode {
  return worstExit(lines.map(({ exit }) => exit));
}
