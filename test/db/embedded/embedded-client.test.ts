// A client of the embedded server meets programs that only pretend to be the server. None of them gets the password or
// data.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { EmbeddedClient } from '../../../src/db/embedded/embedded-client.ts';
import { psqlEnvironment } from '../../../src/db/embedded/psql.ts';
import { createPool } from '../../../src/db/pool.ts';

const PASSWORD = 'only-for-our-server';

/** A message of the server to a client that connects: type, length, content. */
function message(type: string, ...parts: (number | string)[]): Buffer {
  const content = Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'string') return Buffer.from(part);
      const number = Buffer.alloc(4);
      number.writeInt32BE(part);
      return number;
    }),
  );
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(content.length + 4, 1);
  return Buffer.concat([head, content]);
}

const CLEARTEXT = message('R', 3);
const MD5 = message('R', 5, 'salt');
const SASL = (mechanism: string) => message('R', 10, `${mechanism}\0\0`);
const FINAL = message('R', 12, `v=${Buffer.alloc(32).toString('base64')}`);
const READY = message('Z', 'I');
const WELCOME = Buffer.concat([message('R', 0), READY]);

/** Continues SCRAM with a valid nonce. */
function challenge(heard: string): Buffer {
  const nonce = /r=([^,]+)/.exec(heard)?.[1] ?? '';
  return message('R', 11, `r=${nonce}and-more,s=${Buffer.from('salt').toString('base64')},i=4096`);
}

type Answer = Buffer | ((heard: string) => Buffer);

const IMPOSTORS: [string, Answer[]][] = [
  ['wants the password in clear text', [CLEARTEXT, WELCOME]],
  ['wants the password hashed by MD5', [MD5, WELCOME]],
  ['accepts every login', [WELCOME]],
  ['is ready without any login', [READY]],
  ['is ready in the middle of the login', [SASL('SCRAM-SHA-256'), READY]],
  ['is ready instead of its proof', [SASL('SCRAM-SHA-256'), challenge, READY]],
  ['is ready after a wrong proof', [SASL('SCRAM-SHA-256'), challenge, Buffer.concat([FINAL, READY])]],
  ['skips the proof', [SASL('SCRAM-SHA-256'), WELCOME]],
  ['skips the proof after its challenge', [SASL('SCRAM-SHA-256'), challenge, WELCOME]],
  ['gives a wrong proof', [SASL('SCRAM-SHA-256'), challenge, Buffer.concat([FINAL, WELCOME])]],
  ['gives a proof that was not asked for', [Buffer.concat([FINAL, WELCOME])]],
  ['begins with SCRAM and then wants clear text', [SASL('SCRAM-SHA-256'), CLEARTEXT, WELCOME]],
  ['knows no SCRAM', [SASL('OTHER'), WELCOME]],
];

async function impostor(answers: readonly Answer[]) {
  let heard = '';
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    let turn = 0;
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      heard += piece.toString('latin1');
      const answer = answers[turn++];
      if (answer !== undefined) socket.write(typeof answer === 'function' ? answer(heard) : answer);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgres://zt_risk_sync:${PASSWORD}@127.0.0.1:${port}/zt_risk_sync`,
    heard: () => heard,
    async close() {
      for (const socket of sockets) if (!socket.closed) await once(socket.resume(), 'close');
      server.close();
    },
  };
}

describe('a program at the address of the embedded server', () => {
  for (const [what, answers] of IMPOSTORS) {
    test(`that ${what} gets neither the password nor a statement`, async () => {
      for (const open of [
        (url: string) => {
          const client = new EmbeddedClient({ connectionString: url });
          return { ask: () => client.connect().then(() => client.query('select 1')), end: () => undefined };
        },
        (url: string) => {
          const pool = createPool({ url, isEmbedded: true, logger: { warn() {} } });
          return { ask: () => pool.query('select 1'), end: () => pool.end() };
        },
      ]) {
        const server = await impostor(answers);
        const { ask, end } = open(server.url);
        await assert.rejects(ask(), { code: 'EMBEDDED_IMPOSTOR', exit: 78, message: /neither the password/ });
        await end();
        await server.close();
        assert.doesNotMatch(server.heard(), new RegExp(`${PASSWORD}|md5[0-9a-f]{32}|select`));
      }
    });
  }
});

test('psql gets the environment of the caller, but nothing that is meant for another server', () => {
  const url = `postgres://zt_risk_sync:${PASSWORD}@127.0.0.1:5433/zt_risk_demo?sslmode=disable`;
  const other = Object.fromEntries(
    ['PGHOST', 'PGHOSTADDR', 'PGOPTIONS', 'PGSERVICE', 'PGPASSWORD', 'PGTZ', 'PGSSLROOTCERT', 'PgUser'].map(
      (name) => [name, 'of another server'],
    ),
  );
  assert.deepEqual(psqlEnvironment({ ...other, TERM: 'xterm', PSQL_PAGER: 'less' }, url, '/data/pgpass'), {
    TERM: 'xterm',
    PSQL_PAGER: 'less',
    PGHOST: '127.0.0.1',
    PGPORT: '5433',
    PGUSER: 'zt_risk_sync',
    PGDATABASE: 'zt_risk_demo',
    PGPASSFILE: '/data/pgpass',
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    PGREQUIREAUTH: 'scram-sha-256',
    PGCONNECT_TIMEOUT: '10',
  });
});
