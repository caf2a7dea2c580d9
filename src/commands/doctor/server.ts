// Judges the server, its settings and the privileges of the role. Pure.
import { describeHolders, endHolders } from '../../db/locks/lock-holders.ts';
import { UTF8_DATABASE } from '../../db/migrate.ts';
import { EXIT } from '../../errors.ts';
import type { LockFinding } from '../../queries/health/lock-waits.ts';
import type { RolePrivileges } from '../../queries/health/role-privileges.ts';
import type { ServerFacts } from '../../queries/health/server-facts.ts';
import { failed, failedAs, merged, ok, warning, type Line } from './lines.ts';
import { plural } from '../../words.ts';

const OLDEST = 15;
const NEWEST = 18;
const SLOW_MS = 250;

export function judgeServer(place: string, version: number, latencyMs: number): Line {
  const major = Math.floor(version / 10_000);
  const found = `PostgreSQL ${major}.${version % 10_000}, ${place}, answers in ${latencyMs.toFixed(1)} ms`;
  if (major < OLDEST)
    return failed(
      'database',
      EXIT.configuration,
      `${found}; too old`,
      `Use PostgreSQL ${OLDEST} to ${NEWEST}`,
    );
  const findings: Line[] = [];
  if (major > NEWEST)
    findings.push(
      warning(
        'database',
        `${found}; newer than the tested versions`,
        `Use PostgreSQL ${OLDEST} to ${NEWEST}, or a newer release of zt-risk-sync`,
      ),
    );
  if (latencyMs > SLOW_MS)
    findings.push(
      warning(
        'database',
        findings.length > 0 ? 'slow' : `${found}; slow`,
        'Run this program closer to its database',
      ),
    );
  return merged('database', found, findings);
}

/** A sync uses up to six connections, and a person at a prompt one or two. */
const CONNECTIONS_WANTED = 8;
/** This program's statements outside transactions take milliseconds. */
const STATEMENT_LEAST_MS = 5_000;
/** The program sets its own limits inside transactions. Before that, the limits of the role apply. */
const IDLE_LEAST_MS = 2_000;
/** Long enough to publish a large account. The program sets no limit of this kind, so the limit of the role applies. */
const TRANSACTION_LEAST_MS = 120_000;

export function judgeSettings(facts: ServerFacts): Line {
  const findings: Line[] = [];
  const fail = (exit: typeof EXIT.tryLater | typeof EXIT.configuration, found: string, mend: string) =>
    void findings.push(failed('settings', exit, found, mend));
  const warn = (found: string, mend: string) => void findings.push(warning('settings', found, mend));
  if (facts.isStandby)
    fail(
      EXIT.tryLater,
      'the server is a standby: nothing can be written',
      'Name the primary in DATABASE_URL',
    );
  else if (facts.readOnly)
    fail(
      EXIT.tryLater,
      'default_transaction_read_only is on: nothing can be written',
      'Turn it off for this role, or name the primary in DATABASE_URL',
    );
  if (facts.encoding !== 'UTF8')
    findings.push(
      failedAs(
        'settings',
        'DATABASE_ENCODING',
        `the encoding of the database is ${facts.encoding}, which cannot hold every name`,
        UTF8_DATABASE,
      ),
    );
  const unsafe = [facts.fsync ? '' : 'fsync', facts.fullPageWrites ? '' : 'full_page_writes'].filter(Boolean);
  if (unsafe.length > 0)
    warn(
      `${unsafe.join(' and ')} off: a crash of the host can destroy the history`,
      `Set ${unsafe.join(' and ')} to on`,
    );
  if (!facts.synchronousCommit)
    warn(
      'synchronous_commit is off: a crash can lose the newest snapshots',
      'Set synchronous_commit to on for this role',
    );
  if (facts.connectionsLeft < CONNECTIONS_WANTED)
    warn(
      `${plural(Math.max(0, facts.connectionsLeft), 'connection')} left of ${facts.maxConnections}; a sync uses up to 6`,
      'Raise max_connections or the limit of the role, or put a pooler in front',
    );
  const limits = [
    ['statement_timeout', facts.statementTimeoutMs, STATEMENT_LEAST_MS],
    ['idle_in_transaction_session_timeout', facts.idleInTransactionMs, IDLE_LEAST_MS],
    ['transaction_timeout', facts.transactionTimeoutMs, TRANSACTION_LEAST_MS],
  ] as const;
  for (const [name, ms, least] of limits) {
    if (ms > 0 && ms < least)
      warn(`${name} is ${ms / 1000} s`, `Set ${name} to 0 or at least ${least / 1000} s for this role`);
  }
  return merged('settings', `safe and writable, ${facts.connectionsLeft} connections left`, findings);
}

export function judgePrivileges(privileges: RolePrivileges, isBehind: boolean): Line {
  const { mayCreate, notOwned, notWritable } = privileges;
  if (notWritable.length > 0)
    return failedAs(
      'privileges',
      'DATABASE_PERMISSION',
      `the role may not write ${named(notWritable)}: \`sync\` would fail`,
      'Use the role that owns the schemas risk, risk_internal and risk_bi',
    );
  if (mayCreate && notOwned.length === 0) return ok('privileges', 'may sync and migrate');
  const found = mayCreate
    ? `does not own ${named(notOwned)}, so it cannot migrate`
    : 'may not create schemas in this database, so it cannot migrate';
  const mend =
    'GRANT CREATE on the database and ownership of the schemas, or `migrate` with a role that has them';
  return isBehind
    ? failedAs('privileges', 'DATABASE_PERMISSION', found, mend)
    : warning('privileges', found, mend);
}

export function judgeLocks(holders: readonly LockFinding[]): Line {
  const findings = holders.map((holder) => {
    const what =
      holder.blocks > 0
        ? `blocks ${plural(holder.blocks, 'session')}`
        : 'has held locks on the history for more than a minute: a migration would wait for it';
    return warning('locks', `${describeHolders([holder])} ${what}`, endHolders([holder]));
  });
  return merged('locks', 'nobody waits for a lock', findings);
}

function named(names: readonly string[]): string {
  const [some, rest] = [names.slice(0, 3), names.length - 3];
  return `${some.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
