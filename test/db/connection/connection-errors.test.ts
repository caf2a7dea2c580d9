// What an error of the connection means: an error of configuration, which a person must fix, or an outage, which passes
// on its own. The texts are those that poolers and providers send. test/scenarios/database/refusals.test.ts meets the
// real ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { databaseError, isConnectionLoss, isPassing } from '../../../src/db/database-errors.ts';
import { EXIT } from '../../../src/errors.ts';

type Sent = { message: string; code?: string; severity?: string; routine?: string; syscall?: string };

const sent = (fields: Sent) =>
  new Error('Failed query', { cause: Object.assign(new Error(fields.message), fields) });
const fatal = (code: string, message: string, routine?: string): Sent => ({
  message,
  code,
  severity: 'FATAL',
  ...(routine === undefined ? {} : { routine }),
});

function assertMeaning(fields: Sent, code: string, words: RegExp): void {
  const label = JSON.stringify(fields);
  const error = databaseError(sent(fields));
  assert.equal(error?.code, code, label);
  assert.match(`${error?.happened}. ${error?.todo}`, words, label);
  assert.ok(!/defect/.test(error?.message ?? ''), label);
  const isAway = code === 'DATABASE_UNAVAILABLE' || code === 'DATABASE_NODE_AWAY';
  assert.deepEqual([isConnectionLoss(sent(fields)), isPassing(sent(fields))], [isAway, isAway], label);
}

test('every fault of TLS has its own message and fix, and is never mistaken for an unreachable database', () => {
  const seen = new Set<string>();
  for (const [code, words] of [
    ['CERT_HAS_EXPIRED', /expired/],
    ['CERT_NOT_YET_VALID', /clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /another host/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /sslrootcert/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /sslrootcert/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /sslrootcert/],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', /sslrootcert/],
    ['CERT_REVOKED', /CERT_REVOKED/],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', /client certificate/],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', /client certificate/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /ERR_SSL_WRONG_VERSION_NUMBER/],
    ['EPROTO', /EPROTO/],
  ] as const) {
    assertMeaning({ message: 'x', code }, 'DATABASE_TLS', words);
    seen.add(databaseError(sent({ message: 'x', code }))?.happened ?? '');
  }
  assertMeaning(
    { message: 'The server does not support SSL connections' },
    'DATABASE_TLS',
    /offers no TLS.*disable/,
  );
  for (const message of [
    'sslnegotiation=direct requires SSL to be enabled',
    'Invalid sslnegotiation value: "x". Valid values are "postgres" and "direct".',
  ])
    assertMeaning({ message }, 'DATABASE_TLS', /PGSSLNEGOTIATION/);
  assert.ok(seen.size >= 8);
  const error = databaseError(sent({ message: 'x', code: 'CERT_HAS_EXPIRED' }));
  assert.equal(error?.exit, EXIT.configuration);
});

test('a wrong password, user, database or option is an error of configuration, also behind poolers and at providers', () => {
  for (const [fields, words] of [
    [
      fatal('28P01', 'password authentication failed for user "tenant_1"', 'auth_failed'),
      /user or the password/,
    ],
    [fatal('28P01', 'autenticación fallida', 'auth_failed'), /user or the password/],
    [fatal('28000', 'role "u" does not exist', 'InitializeSessionUserId'), /user or the password/],
    [
      fatal(
        '28000',
        'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d"',
        'ClientAuthentication',
      ),
      /pg_hba/,
    ],
    [fatal('28000', 'Kein Eintrag', 'ClientAuthentication'), /pg_hba/],
    [fatal('3D000', 'database "d" does not exist', 'InitPostgres'), /does not exist/],
    [
      fatal('55000', 'database "d" is not currently accepting connections', 'CheckMyDatabase'),
      /accepts no conn/,
    ],
    [fatal('42704', 'unrecognized configuration parameter "x"'), /option/],
    [fatal('22023', 'invalid value for parameter "x": "y"'), /option/],
    // PgBouncer
    [fatal('08P01', 'SASL authentication failed'), /user or the password/],
    [fatal('08P01', 'password authentication failed'), /user or the password/],
    [fatal('08P01', 'no such user: u'), /user or the password/],
    [fatal('08P01', 'empty password returned by client'), /has none/],
    [fatal('08P01', 'no such database: tenant_1'), /does not exist/],
    [fatal('08P01', 'database "d" does not exist'), /does not exist/],
    [fatal('08P01', 'unsupported startup parameter: options'), /option/],
    [
      fatal(
        '08P01',
        'server login has been failing, cached error: password authentication failed (server_login_retry)',
      ),
      /pooler.*cannot log in/,
    ],
    // Supavisor, old and new
    [fatal('XX000', 'Tenant or user not found'), /tenant, project or user/],
    [fatal('XX000', '(ENOTFOUND) tenant/user postgres.abc not found'), /tenant, project or user/],
    [
      fatal('XX000', '(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)'),
      /tenant/,
    ],
    [
      fatal('XX000', 'Authentication error, reason: "Invalid format for user or db_name"'),
      /tenant, project or user/,
    ],
    [fatal('XX000', '(EADDRNOTALLOWED) address not in tenant allow_list: {1, 2, 3, 4}'), /list of addresses/],
    [fatal('XX000', '(EAUTHQUERY) user not found in the database'), /user or the password/],
    // Neon
    [
      { message: 'Endpoint ID is not specified. Either please upgrade …', code: 'XX000', severity: 'ERROR' },
      /project/,
    ],
    [
      {
        message: "The requested endpoint could not be found, or you don't have access to it.",
        code: 'XX000',
        severity: 'ERROR',
      },
      /project/,
    ],
    // RDS Proxy
    [fatal('28P01', 'The password that was provided for the role u is wrong.'), /user or the password/],
    [
      fatal('28000', 'This RDS proxy has no credentials for the role tenant_1. Check …'),
      /user or the password/,
    ],
    [
      fatal('28000', 'The IAM authentication failed for the role u. Check the IAM token …'),
      /user or the password/,
    ],
    [fatal('0A000', "RDS Proxy currently doesn't support command-line options."), /option/],
    // Azure, Cloud SQL
    [fatal('28000', 'Invalid Username specified. Please check the Username …'), /user or the password/],
    [fatal('28000', 'Cloud SQL IAM user authentication failed for user "u@p.iam"'), /user or the password/],
    // The driver
    [{ message: 'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string' }, /has none/],
    [{ message: 'SASL: Only mechanism(s) SCRAM-SHA-256 are supported' }, /way to log in/],
    [{ message: 'Unknown authenticationOk message type 7' }, /way to log in/],
  ] as const)
    assertMeaning(fields, 'DATABASE_REFUSED', words);
});

test('a limit that the role or the database sets is named, and is not mistaken for an unreachable database', () => {
  assertMeaning(
    fatal('25P04', 'terminating connection due to transaction timeout'),
    'DATABASE_SLOW',
    /transaction_timeout/,
  );
});

test('a server that requires TLS is reported as such, at every provider', () => {
  for (const fields of [
    fatal(
      '28000',
      'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption',
      'ClientAuthentication',
    ),
    fatal(
      '28000',
      'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL off',
      'ClientAuthentication',
    ),
    fatal('28000', 'SSL connection is required. Please specify SSL options and retry.'),
    fatal('08P01', 'SSL required'),
    fatal('08P01', 'TLS connection required'),
    fatal('XX000', '(ESSLREQUIRED) SSL connection is required for user: u'),
    fatal('28000', 'This RDS Proxy requires TLS connections'),
    fatal('28000', 'IAM authentication is allowed only with SSL connections.'),
    { message: 'connection is insecure (try using `sslmode=require`)', code: 'XX000', severity: 'ERROR' },
  ])
    assertMeaning(fields, 'DATABASE_TLS', /sslmode=verify-full/);
  assertMeaning(
    fatal('28000', 'connection requires a valid client certificate', 'ClientAuthentication'),
    'DATABASE_TLS',
    /sslcert/,
  );
});

test('temporary errors mean that the database is unreachable or full, also behind poolers and at providers', () => {
  for (const fields of [
    fatal('57P03', 'the database system is starting up'),
    fatal('08P01', 'query_wait_timeout'),
    fatal('08P01', 'server login has been failing, cached error: connect timeout (server_login_retry)'),
    fatal('08006', 'timeout while waiting for message'),
    fatal('XX000', '(EDBHANDLEREXITED) DbHandler exited. Check logs for more information'),
    fatal(
      'XX000',
      '(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms in Transaction mode',
    ),
    fatal('XX000', '(ECIRCUITBREAKER) too many authentication errors'),
    fatal('XX000', 'something new'),
    { message: "Couldn't connect to compute node", code: 'XX000', severity: 'ERROR' },
    { message: 'Control plane request failed', code: 'XX000', severity: 'ERROR' },
    { message: 'connect ECONNREFUSED 127.0.0.1:1', code: 'ECONNREFUSED', syscall: 'connect' },
    { message: 'There was an error establishing an SSL connection' },
  ])
    assertMeaning(fields, 'DATABASE_UNAVAILABLE', /./);
  for (const fields of [
    fatal('53300', 'sorry, too many clients already'),
    fatal('08P01', 'no more connections allowed (max_client_conn)'),
    fatal('XX000', 'Max client connections reached'),
    fatal(
      'XX000',
      'MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size',
    ),
    fatal('08004', 'The maximum number of client connections to the proxy exceeded 100.'),
    {
      message: 'Your account or project has exceeded the compute time quota.',
      code: 'XX000',
      severity: 'ERROR',
    },
  ])
    assertMeaning(fields, 'DATABASE_FULL', /./);
});

test('a socket, a host and a database that this user may not use have their own messages', () => {
  const connect = (code: string) => ({ message: 'x', code, syscall: 'connect' });
  assertMeaning(connect('ENOENT'), 'DATABASE_UNAVAILABLE', /Unix socket.*not there.*folder/);
  assertMeaning(connect('EACCES'), 'DATABASE_PERMISSION', /rights of the folder/);
  assertMeaning(
    { message: 'x', code: 'ENOTFOUND', syscall: 'getaddrinfo' },
    'DATABASE_UNAVAILABLE',
    /spelling/,
  );
  assertMeaning(
    fatal('42501', 'permission denied for database "d"', 'InitPostgres'),
    'DATABASE_PERMISSION',
    /CONNECT/,
  );
});

test('errors of files are no errors of the database', () => {
  for (const [code, syscall] of [
    ['ENOENT', 'open'],
    ['EISDIR', 'read'],
    ['ENOSPC', 'write'],
    ['EACCES', 'open'],
  ] as const)
    assert.equal(databaseError(sent({ message: 'x', code, syscall })), undefined, code);
});

test('an internal error of a statement is called a fault of the database, not a defect of this program', () => {
  const error = databaseError(sent({ message: 'cache lookup failed', code: 'XX000', severity: 'ERROR' }));
  assert.deepEqual([error?.code, error?.exit], ['DATABASE_ERROR', EXIT.failed]);
  assert.match(error?.todo ?? '', /server's log/);
});

test('an unreachable node of Citus is not a defect, whatever code the coordinator reports', () => {
  const refused = 'connection to the remote node postgres@10.0.0.7:5432 failed with the following error';
  for (const [code, message, routine] of [
    ['08006', `${refused}: Connection refused`, 'ReportConnectionError'],
    ['58030', 'could not receive query results from 10.0.0.7:5432', 'Anything'],
    ['XX000', 'failure on connection marked as essential: 10.0.0.7:5432', 'Anything'],
    ['XX000', 'in einer anderen Sprache', 'ErrorIfPostCommitFailedShardPlacements'],
  ] as const)
    assertMeaning(
      { message, code, severity: 'ERROR', routine },
      'DATABASE_NODE_AWAY',
      /node of the Citus cluster/,
    );
});
