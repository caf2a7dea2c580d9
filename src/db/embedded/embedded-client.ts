// Connects to the embedded server, and refuses any other program that answers at its address. The client accepts only
// SCRAM: no password is sent, and the server must prove that it knows the password. PG* variables have no effect: they
// are meant for another server.
import { Client, type ClientConfig } from 'pg';
import { OperatorError } from '../../errors.ts';

/** If a key is missing or empty, the driver takes it from PG* variables. So every key has a value. */
const SETTINGS = {
  ssl: false,
  sslnegotiation: 'postgres',
  replication: 'false',
  client_encoding: 'UTF8',
  options: '-c timezone=UTC -c datestyle=ISO',
};

/** For `new Client` and `new Pool`: takes `connectionString` and the limits from its configuration. */
export class EmbeddedClient extends Client {
  constructor({ connectionString = '', ...config }: ClientConfig = {}) {
    const url = new URL(connectionString);
    let proven = false;
    super({
      application_name: 'zt-risk-sync',
      ...config,
      ...SETTINGS,
      user: decodeURIComponent(url.username),
      host: url.hostname,
      port: Number(url.port),
      database: decodeURIComponent(url.pathname.slice(1)),
      password: decodeURIComponent(url.password),
    } as ClientConfig);
    const { connection } = this;
    const refuse = () => {
      // Destroyed first, because the driver continues after an error that it has reported.
      connection.stream.destroy();
      connection.removeAllListeners('readyForQuery');
      connection.emit('error', impostor(url));
    };
    // These listeners are added before those of the driver, which adds its own when it connects.
    connection.once('authenticationCleartextPassword', refuse);
    connection.once('authenticationMD5Password', refuse);
    connection.once('authenticationSASLFinal', () => (proven = true));
    connection.once('authenticationOk', () => {
      if (!proven) refuse();
    });
    // The driver trusts a server that is ready without any login. A message arrives before the event of its name. At
    // that event, it would be too late to remove the driver's listeners.
    const login = ({ name }: { name: string }) => {
      if (name !== 'readyForQuery') return;
      connection.off('message', login);
      if (!proven) refuse();
    };
    connection.on('message', login);
    // How the driver reports a wrong proof, or one out of turn. It passes on the first error that it gets.
    connection.once('error', (error: Error) => {
      if (error.message.startsWith('SASL:') || error instanceof TypeError) refuse();
    });
  }
}

function impostor({ host }: URL): OperatorError {
  return new OperatorError({
    code: 'EMBEDDED_IMPOSTOR',
    happened: `Another program answers at ${host}, the address of the embedded Postgres`,
    means: 'It does not know the password. It was sent neither the password nor any data',
    todo: 'Run `zt-risk-sync database stop`, then the command again: the server takes another port. Find out which program listens there',
  });
}
