// Whether a container engine answers. Loads no client library to find out.
import { request, type RequestOptions } from 'node:http';

const DEFAULT_SOCKET = '/var/run/docker.sock';
// A local engine answers in milliseconds. A remote one that takes longer is too slow for thousands of statements.
const PATIENCE_MS = 3000;

export async function engineAnswers(dockerHost = process.env['DOCKER_HOST']): Promise<boolean> {
  const target = pingTarget(dockerHost);
  if (target === undefined) return false;
  return new Promise((resolve) => {
    const asked = request(
      { ...target, path: '/_ping', signal: AbortSignal.timeout(PATIENCE_MS) },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    asked.once('error', () => resolve(false));
    asked.end();
  });
}

/** Undefined for an invalid address, or one that needs certificates. Then the tests use no engine. */
export function pingTarget(dockerHost: string | undefined): RequestOptions | undefined {
  if (!dockerHost) return { socketPath: DEFAULT_SOCKET };
  if (!URL.canParse(dockerHost)) return undefined;
  const { protocol, hostname, port, pathname } = new URL(dockerHost);
  if (protocol === 'unix:') return { socketPath: pathname };
  if (protocol === 'tcp:' || protocol === 'http:') return { hostname, port: port || '2375' };
  return undefined;
}
