// One broken rule each: `find` must stand exactly once in `file`.

export type Sabotage = {
  name: string;
  breaks: string;
  promise: string;
  file: string;
  find: string;
  put: string;
  test: string;
};

const EXACTNESS = 'test/scenarios/exactness.test.ts';
const CRASH = 'test/scenarios/crash.test.ts';
const PUBLISH = 'test/sync/publish.test.ts';

export const SABOTAGES: readonly Sabotage[] = [
  {
    name: 'no-fence',
    breaks: 'publish does not check that the lease is still its own',
    promise: 'P6',
    file: 'src/sync/publish.ts',
    find: '  await fence(tx, lease);\n  const staged',
    put: '  const staged',
    test: PUBLISH,
  },
  {
    name: 'no-reconciliation',
    breaks: 'the users met are not compared with the total',
    promise: 'P2',
    file: 'src/sync/verdict.ts',
    find: 'total !== null && total !== pass.met + pass.unreadable',
    put: 'total !== null && total < 0',
    test: EXACTNESS,
  },
  {
    name: 'as-of-before',
    breaks: '`<` for `<=`: an as-of at the instant of a snapshot answers with the one before',
    promise: 'P3',
    file: 'migrations/0001_views.sql',
    find: 'p.observed_at <= users_as_of.at',
    put: 'p.observed_at < users_as_of.at',
    test: EXACTNESS,
  },
  {
    name: 'close-not-stamped',
    breaks: 'a level period is closed without the snapshot_id that closed it',
    promise: 'P4',
    file: 'src/sync/write-changes.ts',
    find: ', ${columnNames(l.snapshot_id)} = ${facts.snapshotId},\n           ${columnNames(l.end_reason)}',
    put: ',\n           ${columnNames(l.end_reason)}',
    test: EXACTNESS,
  },
  {
    name: 'diff-without-identities',
    breaks: 'a rename without any other change is not seen',
    promise: 'P3',
    file: 'src/sync/diff.ts',
    find: '\n        or (${i.email}, ${i.name}) is distinct from (met.email, met.name)`;',
    put: '`;',
    test: EXACTNESS,
  },
  {
    name: 'first-read-wins',
    breaks: 'of two records of a user the one read first is kept',
    promise: 'P3',
    file: 'src/sync/diff.ts',
    find: '${s.read_order} desc, ${s.position} desc',
    put: '${s.read_order}, ${s.position}',
    test: EXACTNESS,
  },
  {
    name: 'rejected-is-absent',
    breaks: 'a user whose record is rejected counts as not met',
    promise: 'P2',
    file: 'src/sync/diff.ts',
    find: '${r.last_run_id} = ${runId}) met',
    put: '${r.last_run_id} = -1) met',
    test: EXACTNESS,
  },
  {
    name: 'partial-clears',
    breaks: 'a partial walk clears the users it did not meet',
    promise: 'P2',
    file: 'src/sync/absence.ts',
    find: "if (confirmation === 'later' || verdict === 'partial') return 'nobody';",
    put: "if (confirmation === 'later') return 'nobody';",
    test: EXACTNESS,
  },
  {
    name: 'empty-answer-clears',
    breaks: 'an empty answer is believed',
    promise: 'P2',
    file: 'src/sync/absence.ts',
    find: "if (isEmpty && !acceptMassClear) return 'empty_answer';",
    put: '',
    test: EXACTNESS,
  },
  {
    name: 'total-not-covered',
    breaks: 'passes that agree are believed though the server speaks of more users',
    promise: 'P2',
    file: 'src/sync/verdict.ts',
    find: '(pass.totalFirst === null || facts.met >= pass.totalFirst)',
    put: '(pass.totalFirst === null || facts.met >= 0)',
    test: EXACTNESS,
  },
  {
    name: 'answers-without-control',
    breaks: 'a user without a level is cleared though users who were met have none, either',
    promise: 'P2',
    file: 'src/sync/ask-absent.ts',
    find: "if (answer !== 'unreadable' && answer.outcome === 'level') return 'passed';",
    put: "if (answer !== 'unreadable') return 'passed';",
    test: EXACTNESS,
  },
  {
    name: 'no-control-afterwards',
    breaks: 'answers are believed though the API stopped knowing anybody while it was asked',
    promise: 'P2',
    file: 'src/sync/ask-absent.ts',
    find: "answers.size === evidence.level ? 'passed'",
    put: "answers.size >= 0 ? 'passed'",
    test: 'test/sync/ask-absent.test.ts',
  },
  {
    name: 'level-is-no-answer',
    breaks: 'a user is cleared after two walks though their own record shows a level',
    promise: 'P2',
    file: 'src/sync/absence.ts',
    find: "return { outcome: riskLevel === null ? 'no_level' : 'level', lastResetTime: null };",
    put: "return { outcome: 'no_level', lastResetTime: null };",
    test: EXACTNESS,
  },
  {
    name: 'old-reset-counts',
    breaks: 'a reset before the newest event is taken for the end of a level',
    promise: 'P2',
    file: 'src/sync/absence.ts',
    find: 'if (lastResetTime !== null && compareInstants(lastResetTime, newest) >= 0)',
    put: 'if (lastResetTime !== null)',
    test: 'test/scenarios/model.test.ts',
  },
  {
    name: 'staging-not-counted',
    breaks: 'publish trusts staging without counting it',
    promise: 'P1',
    file: 'src/sync/publish.ts',
    find: 'if ((acknowledged.get(pass) ?? 0) !== (there.get(pass) ?? 0)) {',
    put: 'if (Number.isNaN(acknowledged.get(pass) ?? 0)) {',
    test: CRASH,
  },
  {
    name: 'every-met-user-written',
    breaks: 'users are written whether they changed or not',
    promise: 'P5',
    file: 'src/sync/diff.ts',
    find: '     where ${u.user_key} is null\n',
    put: '     where true or ${u.user_key} is null\n',
    test: 'test/scenarios/quiet.test.ts',
  },
  {
    name: 'dead-process-lives',
    breaks: 'a killed process on this host is waited for as if it were alive',
    promise: 'P7',
    file: 'src/sync/lease.ts',
    find: 'if (knownDead || holder.silentMs',
    put: 'if (holder.silentMs',
    test: CRASH,
  },
  {
    name: 'migrator-without-lock',
    breaks: 'migrators do not wait for each other',
    promise: 'P7',
    file: 'src/db/migrate.ts',
    find: '    await tx.execute(sql`select pg_advisory_xact_lock(${LOCK_KEY})`);\n',
    put: '',
    test: 'test/db/migrate.test.ts',
  },
];
