// A temporary Postgres in a container, with the settings of the embedded one.
import { randomBytes } from 'node:crypto';
import { THROW_AWAY, type PostgresServer } from './postgres-server.ts';

export type PostgresMajor = 15 | 16 | 17 | 18;

// The image may have to be pulled first.
const PATIENCE_MS = 180_000;

/** Rejects when the image cannot be pulled, or the server does not start. */
export async function startContainerPostgres(major: PostgresMajor): Promise<PostgresServer> {
  // Loading it takes most of a second, so it is loaded only here.
  const { GenericContainer, Wait } = await import('testcontainers');
  const password = randomBytes(12).toString('hex');
  const container = await within(
    PATIENCE_MS,
    new GenericContainer(`postgres:${major}`)
      .withEnvironment({
        POSTGRES_PASSWORD: password,
        // The image's own locale would sort text differently from the embedded server.
        POSTGRES_INITDB_ARGS: '--encoding=UTF8 --locale=C',
      })
      .withCommand([
        'postgres',
        ...Object.entries(THROW_AWAY).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ])
      .withSharedMemorySize(256 * 1024 * 1024)
      .withExposedPorts(5432)
      // Over TCP: while the image creates the data directory, its server listens only on the socket.
      .withWaitStrategy(Wait.forSuccessfulCommand('pg_isready --quiet --host=127.0.0.1'))
      .withStartupTimeout(60_000)
      .start(),
  );
  const host = container.getHost() === 'localhost' ? '127.0.0.1' : container.getHost();
  return {
    url: `postgres://postgres:${password}@${host}:${container.getMappedPort(5432)}/postgres`,
    async stop() {
      await container.stop();
    },
  };
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not there after ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
