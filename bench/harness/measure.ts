// Runs one command as a whole process, or several side by side, and measures both sides of the connection.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Api } from './api.ts';
import type { Postgres } from './postgres.ts';
import { cpuOfEndedChildren, peakOfTree } from './proc.ts';

export type Command = { file: string; args: readonly string[]; env: Record<string, string>; cwd?: string };

/** `startMs`: from the start of the process to its first request to the API. */
export type Figures = {
  wallMs: number;
  startMs: number;
  requests: number;
  clientCpuMs: number;
  serverCpuMs: number;
  apiCpuMs: number;
  peakMb: number;
  walMb: number;
};

export type Ended = { code: number; out: string; log: string };

const LOOK_EVERY_MS = 40;

/** `peakMb` is the highest of any single command. Times and WAL are for all commands together. */
export async function measure(
  { postgres, api }: { postgres: Postgres; api: Api },
  commands: readonly Command[],
): Promise<{ figures: Figures; ended: Ended[] }> {
  await api.control({});
  const before = await counters();
  const startedAt = performance.timeOrigin + performance.now();
  const began = performance.now();
  const runs = await Promise.all(commands.map(run));
  const wallMs = performance.now() - began;
  const after = await counters();
  const { firstRequestAt, requests } = await api.asked();
  return {
    ended: runs,
    figures: {
      wallMs,
      startMs: firstRequestAt === null ? Number.NaN : firstRequestAt - startedAt,
      requests,
      clientCpuMs: after.client - before.client,
      serverCpuMs: after.server - before.server,
      apiCpuMs: after.api - before.api,
      peakMb: Math.max(...runs.map(({ peakMb }) => peakMb)),
      walMb: (after.wal - before.wal) / 1e6,
    },
  };

  async function counters() {
    return {
      client: cpuOfEndedChildren(),
      wal: await postgres.walBytes(),
      server: await postgres.cpuMs(),
      api: api.cpuMs(),
    };
  }
}

async function run({ file, args, env, cwd }: Command): Promise<Ended & { peakMb: number }> {
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
    ...(cwd === undefined ? {} : { cwd }),
  });
  let out = '';
  let log = '';
  child.stdout.on('data', (data: Buffer) => (out += data.toString()));
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, peakOfTree(child.pid!))), LOOK_EVERY_MS);
  const [code] = (await once(child, 'close')) as [number];
  clearInterval(watch);
  return { code, out, log, peakMb };
}
