// Serves the simulated API over HTTP. Never repeats what it was sent: no token, key or path appears in an answer.
import { createServer, type Server, type ServerResponse } from 'node:http';
import { failure, type SimulatedAnswer } from './answers.ts';
import { createApi, type ApiOptions, type SimulatedApi } from './api.ts';

export type SimulatorOptions = ApiOptions & {
  /** Default 127.0.0.1. */
  host?: string;
  /** Default 0: any free port. */
  port?: number;
};

export type Simulator = Pick<SimulatedApi, 'requests' | 'setFaults' | 'setAccounts' | 'setAuth'> & {
  /** The base URL, ending in /client/v4. */
  url: string;
  port: number;
  close(): Promise<void>;
};

export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { host = '127.0.0.1' } = options;
  const api = createApi(options);
  // Clients keep their connection between two walks. Node would close it after 5 s, often exactly when the next request
  // arrives.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    try {
      request.resume();
      const { answer, headers } = api.answer(request);
      send(response, answer, headers);
    } catch {
      fail(response);
    }
  });
  const port = await listening(server, host, options.port ?? 0);
  return {
    url: `http://${reachable(host)}:${port}/client/v4`,
    port,
    requests: () => api.requests(),
    setFaults: (faults) => api.setFaults(faults),
    setAccounts: (accountIds) => api.setAccounts(accountIds),
    setAuth: (auth) => api.setAuth(auth),
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listening(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A server that listens on all addresses is reached at loopback: not every system can connect to 0.0.0.0. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function send(response: ServerResponse, said: SimulatedAnswer, headers: Record<string, string> = {}): void {
  const length = Buffer.byteLength(said.body);
  response.writeHead(said.status, {
    'Content-Type': said.type,
    'Content-Length': length,
    ...headers,
    ...said.headers,
  });
  response.end(said.body);
}

/** Without the error's message, which may quote the request. */
function fail(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else send(response, failure(500, 1000, 'The simulator failed: a defect, or its clock is not a valid date'));
}
