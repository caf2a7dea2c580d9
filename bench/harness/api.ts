// Starts the API of the benchmarks in its own process, and controls it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Asked, Control } from '../api/server.ts';
import { cpuOfTree } from './proc.ts';

export type Api = Awaited<ReturnType<typeof startApi>>;

export type Truth = { now: number; users: { user_id: string; event_count: number; since: number }[] };

export async function startApi() {
  const script = fileURLToPath(new URL('../api/server.ts', import.meta.url));
  const child = spawn(process.execPath, ['--max-old-space-size=4096', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const url = String((await once(createInterface({ input: child.stdout }), 'line'))[0]);

  async function ask<T>(path: string, order?: Control): Promise<T> {
    const request = order && { method: 'POST', body: JSON.stringify(order) };
    const response = await fetch(`${url}${path}`, request);
    if (!response.ok) throw new Error(`the benchmark's API answered ${response.status} to ${path}`);
    return (await response.json()) as T;
  }

  return {
    url,
    cpuMs: () => cpuOfTree(child.pid!),
    /** Also resets the counts. */
    control: (order: Control) => ask<Asked>('/control', order),
    asked: () => ask<Asked>('/control'),
    truth: (accountId: string) => ask<Truth>(`/control/truth/${accountId}`),
    async stop(): Promise<void> {
      child.kill();
      await once(child, 'close');
    },
  };
}
