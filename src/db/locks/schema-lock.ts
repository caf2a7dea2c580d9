// Keeps migrations, grants and publishes apart: three locks on the table of the applied migrations. Roles that only
// read cannot lock this table in a way that makes a writer wait, not even a role that may read all data. By contrast,
// every role may take any advisory lock. A lock on a row has no queue: measured, six publishers kept a migrator out for
// as long as they ran.

const TABLE = 'risk_internal.migrations';

/** Alone. Readers of the table continue. */
export const LOCK_TO_MIGRATE = `lock table ${TABLE} in exclusive mode`;
/** Beside other writers, but not beside a migration. */
export const LOCK_TO_WRITE = `lock table ${TABLE} in row share mode`;
/**
 * Beside writers, but not beside another holder: two sessions that grant on one object fail ("tuple concurrently
 * updated").
 */
export const LOCK_TO_GRANT = `lock table ${TABLE} in share row exclusive mode`;
