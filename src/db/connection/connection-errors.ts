// Says why no connection could be made, or why one was closed, and whether a person must fix the cause or it passes on
// its own. Reads the texts of drivers and poolers, and never shows them: they may quote a value.
import {
  CLIENT_CERTIFICATE,
  FULL,
  NEEDS_TLS,
  NOT_ALLOWED,
  NOT_WITHOUT_TLS,
  NO_DATABASE,
  NO_PASSWORD,
  POOLER_LOGIN,
  TRY_LATER,
  UNAVAILABLE,
  UNKNOWN_AUTHORITY,
  UNKNOWN_OPTION,
  WRONG_PASSWORD,
  away,
  refused,
  tls,
  type Meaning,
} from './meanings.ts';

const BY_TLS_CODE: [RegExp, Meaning][] = [
  [
    /^CERT_HAS_EXPIRED$/,
    tls(
      "The database's certificate has expired",
      "Renew it on the server. If it is new, check this host's clock",
    ),
  ],
  [
    /^CERT_NOT_YET_VALID$/,
    tls(
      "The database's certificate is not valid yet",
      "Check this host's clock, and the certificate on the server",
    ),
  ],
  [
    /^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/,
    tls(
      "The database's certificate names another host than DATABASE_URL",
      'Write the host in DATABASE_URL as the certificate names it, or give the server a certificate for this host',
    ),
  ],
  [
    /^(UNABLE_TO_(VERIFY|GET)_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_SIGNATURE|INVALID_CA)/,
    UNKNOWN_AUTHORITY,
  ],
  [/^ERR_SSL_.*ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_)/, CLIENT_CERTIFICATE],
];
const OTHER_TLS = /^(CERT_|CRL_|INVALID_PURPOSE|PATH_LENGTH|ERR_SSL_|ERR_TLS_|ERR_OSSL|EPROTO$|HOSTNAME_)/;

// The messages of the driver and its pool without a code.
const BY_DRIVER_WORDS: [RegExp, Meaning][] = [
  [
    /^The server does not support SSL/,
    tls(
      'The database offers no TLS, and DATABASE_URL asks for it',
      'Turn TLS on at the server. Only where the network is trusted, set sslmode=disable in DATABASE_URL',
    ),
  ],
  [
    /^There was an error establishing an SSL/,
    away('What answers at the address in DATABASE_URL does not speak TLS as PostgreSQL does'),
  ],
  [
    /^(sslnegotiation=|Invalid sslnegotiation)/,
    tls(
      'The variable PGSSLNEGOTIATION does not fit DATABASE_URL',
      'Unset PGSSLNEGOTIATION, or add sslmode=verify-full to DATABASE_URL',
    ),
  ],
  [/^SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must/, NO_PASSWORD],
  [
    /^(SASL: |Unknown authenticationOk)/,
    refused(
      'The database asks for a way to log in that this program does not have, or could not prove that it knows the password',
      "Use SCRAM, MD5 or a plain password for this user in the server's pg_hba.conf",
    ),
  ],
  [
    /^(Connection terminated|timeout e|Client has|Query read|Client network socket disconnected)/,
    UNAVAILABLE,
  ],
];

// The messages of poolers and providers: PgBouncer with 08P01, Supavisor and Neon with XX000, RDS Proxy, Cloud SQL,
// Azure. The first line that matches counts.
const BY_POOLER_WORDS: [RegExp, Meaning][] = [
  [
    /exceeded the .*quota/i,
    {
      ...FULL,
      happened: "The quota of the database's plan is used up",
      todo: `Wait for the next period, or raise the quota. ${TRY_LATER}`,
    },
  ],
  [
    /max(imum number of)? client|max clients|no more connections allowed|too many (client )?connections|max pools|rate (limit|of connection)|too many competing|failed to acquire permit/i,
    FULL,
  ],
  [
    /compute node|control plane|check(ed)? ?out|DbHandler|database closed|pool (is )?terminating|authentication query failed/i,
    away('The pooler before the database does not reach the database'),
  ],
  [/server login (has been )?fail.*(password|SASL|role|does not exist|pg_hba)/i, POOLER_LOGIN],
  [
    /circuit ?breaker/i,
    away(
      'The pooler before the database refuses connections for a while, after too many that failed',
      'Check user and password in DATABASE_URL, then wait some minutes',
    ),
  ],
  [/no encryption|SSL off/, NOT_WITHOUT_TLS],
  [
    /insecure|(requires? (TLS|SSL))|((TLS|SSL)( connection)? (is )?required)|only with SSL|enabled SSL/i,
    NEEDS_TLS,
  ],
  [/client certificate/i, CLIENT_CERTIFICATE],
  [/empty password returned/i, NO_PASSWORD],
  [
    /unsupported (startup parameter|option)|invalid startup|doesn't support the option|command-line options/i,
    UNKNOWN_OPTION,
  ],
  [/no such database|database .*(does not exist|is disabled)/i, NO_DATABASE],
  [
    /^(\(\w+\) )?tenant|no tenant identifier|endpoint id|project id|endpoint could not be found|project could not be found|authentication error, reason/i,
    refused(
      'The pooler before the database does not know the tenant, project or user',
      'Copy the URL from the page of your provider. Some poolers need user.project as the user, or a host of their own',
    ),
  ],
  [/not in tenant allow_list|address .*not allowed|pg_hba/i, NOT_ALLOWED],
  [
    /authentication failed|password .*(wrong|incorrect)|wrong password|no such user|login rejected|user not found|no user|has no credentials|invalid username|not permitted to log in|bouncer config error/i,
    WRONG_PASSWORD,
  ],
];

// Citus reports this with 08006, 58030 and XX000, during a statement or at COMMIT. We match the places in its source,
// because no language setting translates them.
const NODE_AWAY_AT =
  /^(ReportConnectionError|HandleRemoteTransaction\w*Error|ErrorIfPostCommitFailedShardPlacements)$/;
const NODE_AWAY_WORDS =
  /remote node|failure on connection marked as essential|could not commit transaction for shard|could not receive (data|query results) from/i;
const NODE_AWAY: Meaning = {
  code: 'DATABASE_NODE_AWAY',
  happened: 'A node of the Citus cluster does not answer',
  todo: 'Check that every node of the cluster runs. Accounts on other nodes continue, and these continue when it answers again',
};

function isNodeAway(sqlstate: string, words: string, routine: string | undefined): boolean {
  if (!/^(08|58|XX)/.test(sqlstate)) return false;
  return NODE_AWAY_AT.test(routine ?? '') || NODE_AWAY_WORDS.test(words);
}

/** A statement can also fail with the last ones: they count only if they ended the connection. */
function bySqlstate(
  sqlstate: string,
  endsConnection: boolean,
  routine: string | undefined,
): Meaning | undefined {
  if (sqlstate === '28P01') return WRONG_PASSWORD;
  // `routine` is the place in the source of PostgreSQL, which no language setting translates.
  if (sqlstate === '28000') return routine === 'ClientAuthentication' ? NOT_ALLOWED : WRONG_PASSWORD;
  if (sqlstate.startsWith('28')) return WRONG_PASSWORD;
  if (sqlstate === '3D000') return NO_DATABASE;
  if (sqlstate === '25P04')
    return {
      code: 'DATABASE_SLOW',
      happened: 'A transaction exceeded transaction_timeout, which the server, the database or the role sets',
      todo: 'Raise transaction_timeout for this role, or set it to 0: the first publish of a large account takes minutes',
    };
  if (/^(57P|08)/.test(sqlstate))
    return away('The database is starting, is stopping, or has closed the connection');
  if (sqlstate === '53300') return FULL;
  if (!endsConnection) return undefined;
  if (sqlstate === '42501')
    return {
      code: 'DATABASE_PERMISSION',
      happened: 'The user may not connect to this database',
      todo: 'Grant CONNECT on the database to the user, or correct DATABASE_URL',
    };
  if (sqlstate === '55000')
    return refused(
      'The database accepts no connections',
      'Allow them: alter database ... allow_connections true',
    );
  if (/^(22023|42704|0A000|42602|22P02)$/.test(sqlstate)) return UNKNOWN_OPTION;
  if (sqlstate.startsWith('53')) return undefined;
  return away(`The database, or a pooler before it, closed the connection (SQLSTATE ${sqlstate})`, PSQL_SAYS);
}

const PSQL_SAYS = 'Connect with psql and the same URL to read the reason in its own words';

const NETWORK =
  /^E(CONN[A-Z]+|PIPE|TIMEDOUT|(HOST|NET)(UNREACH|DOWN)|NOTFOUND|AI_[A-Z]+|ADDRNOTAVAIL|NETRESET)$/;

function byNetwork(code: string, syscall: string | undefined): Meaning | undefined {
  if (syscall === 'connect') {
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return away(
        'The Unix socket that DATABASE_URL names is not there',
        'Check that the database runs, and that host in DATABASE_URL is the folder of its socket',
      );
    if (code === 'EACCES' || code === 'EPERM')
      return {
        code: 'DATABASE_PERMISSION',
        happened: `This user may not connect to the address in DATABASE_URL (${code})`,
        todo: 'Check the rights of the folder of the Unix socket, and rules of the firewall on this host',
      };
  }
  if (code === 'ENOTFOUND')
    return away(
      'No address is known for the host in DATABASE_URL (ENOTFOUND)',
      'Check the spelling of the host. In a container, it must be a name that the container can resolve',
    );
  if (NETWORK.test(code) || syscall === 'connect') return away(`The database does not answer (${code})`);
  return undefined;
}

/** Not EPIPE. */
export const SQLSTATE = /^(?=.*\d)[0-9A-Z]{5}$/;

type DriverError = Error &
  Partial<Record<'severity' | 'routine' | 'syscall', string>> & {
    code?: unknown;
    whileConnecting?: boolean;
    withoutPassword?: boolean;
  };

/** Undefined: not about the connection. `error` is the innermost cause. */
export function connectionMeaning(error: Error): Meaning | undefined {
  const { code, severity, routine, syscall, message, whileConnecting, withoutPassword } =
    error as DriverError;
  const text = typeof code === 'string' ? code : '';
  if (severity !== undefined || SQLSTATE.test(text)) {
    const endsConnection = severity === 'FATAL' || severity === 'PANIC' || whileConnecting === true;
    // Names are in quotation marks, and must not match.
    const words = message.replaceAll(/"[^"]*"/g, '""');
    if (!endsConnection && isNodeAway(text, words, routine)) return NODE_AWAY;
    const meaning = endsConnection || /^(08|28|XX)/.test(text) ? find(BY_POOLER_WORDS, words) : undefined;
    const found = meaning ?? bySqlstate(text, endsConnection, routine);
    // An MD5 or plain login sends an empty password, and the server calls it wrong.
    return found === WRONG_PASSWORD && withoutPassword === true && text !== '28000' ? NO_PASSWORD : found;
  }
  if (text === '') return find(BY_DRIVER_WORDS, message);
  const known = find(BY_TLS_CODE, text);
  if (known) return known;
  if (OTHER_TLS.test(text))
    return tls(
      `No TLS connection to the database could be made (${text})`,
      "Check the server's certificate and TLS settings, and sslmode, sslrootcert, sslcert and sslkey in DATABASE_URL",
    );
  return byNetwork(text, syscall);
}

function find(table: readonly [RegExp, Meaning][], text: string): Meaning | undefined {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}
