// What people are told about a failed connection: code, what happened, what to do.
import type { OperatorErrorParts } from '../../errors.ts';

export type Meaning = Pick<OperatorErrorParts, 'code' | 'happened' | 'todo'>;

export const TRY_LATER = 'The next run succeeds once the database answers again. Nothing has to be repaired';
export const UNAVAILABLE: Meaning = {
  code: 'DATABASE_UNAVAILABLE',
  happened: 'The database does not answer',
  todo: 'Check that the database runs, and that DATABASE_URL names the right host and port. Once it answers, run the command again',
};
export const FULL: Meaning = {
  code: 'DATABASE_FULL',
  happened: 'The database has no free connection left',
  todo: TRY_LATER,
};

export const tls = (happened: string, todo: string): Meaning => ({ code: 'DATABASE_TLS', happened, todo });
export const refused = (happened: string, todo: string): Meaning => ({
  code: 'DATABASE_REFUSED',
  happened,
  todo,
});
export const away = (happened: string, todo = UNAVAILABLE.todo): Meaning => ({
  code: 'DATABASE_UNAVAILABLE',
  happened,
  todo,
});

export const WRONG_PASSWORD = refused(
  'The database refused the user or the password',
  'Check both in DATABASE_URL, and behind a pooler also in its configuration. In DATABASE_URL, signs such as @ / # are written %40 %2F %23',
);
export const NO_PASSWORD = refused(
  'The database asks for a password, and DATABASE_URL has none',
  'Write DATABASE_URL as postgres://user:password@host:5432/database',
);
export const NO_DATABASE = refused(
  'The database in DATABASE_URL does not exist',
  'Create it, or correct its name in DATABASE_URL',
);
export const NEEDS_TLS = tls(
  'The database accepts only connections with TLS',
  'Add sslmode=verify-full to DATABASE_URL',
);
export const NOT_WITHOUT_TLS = tls(
  'The database accepts no connection without TLS from this host, for this user and to this database',
  "Add sslmode=verify-full to DATABASE_URL. If that is refused as well, allow the host in the server's pg_hba.conf",
);
export const UNKNOWN_OPTION = refused(
  'The database, or a pooler before it, refuses an option of the connection',
  'Remove options and other settings from the query part of DATABASE_URL, and the variable PGOPTIONS',
);
export const POOLER_LOGIN = refused(
  'The pooler before the database cannot log in to the database',
  'Check user, password and database in the configuration of the pooler',
);
export const NOT_ALLOWED = refused(
  'The database accepts no connection from this host, for this user, or to this database',
  "Allow it in the server's pg_hba.conf or in the provider's list of addresses, or correct DATABASE_URL",
);

export const UNKNOWN_AUTHORITY = tls(
  "This host does not know the authority that signed the database's certificate",
  'Add sslrootcert=/path/of/the/authority.pem to DATABASE_URL. If it is there, check that it is the right one',
);

export const CLIENT_CERTIFICATE = tls(
  'The database asks for a client certificate, or refuses the one it got',
  'Set sslcert and sslkey in DATABASE_URL to files that the server accepts',
);
