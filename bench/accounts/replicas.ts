// The real command `serve`, several times side by side, as replicas of one service.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpuOfTree, memoryOfTree, peakOfTree } from '../harness/proc.ts';

export type Replica = {
  url: string;
  cpuMs(): number;
  memoryMb(): number;
  peakMb(): number;
  /** The number of warnings and errors in the log, by message. */
  troubles(): ReadonlyMap<string, number>;
  stop(): Promise<void>;
};

export const TOKEN = 'a-token-of-the-benchmark';

/** Resolves when the replica listens. The replica first migrates a database that is behind. */
export async function startReplica(env: Record<string, string>): Promise<Replica> {
  const child = spawn(process.execPath, ['dist/cli.js', 'serve'], {
    env: { PATH: process.env['PATH'] ?? '', HTTP_PORT: '0', HTTP_TOKEN: TOKEN, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close');
  const troubles = new Map<string, number>();
  return {
    url: await listening(child, troubles),
    cpuMs: () => cpuOfTree(child.pid!),
    memoryMb: () => memoryOfTree(child.pid!),
    peakMb: () => peakOfTree(child.pid!),
    troubles: () => troubles,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

function listening(child: ChildProcess, troubles: Map<string, number>): Promise<string> {
  let rest = '';
  let all = '';
  return new Promise((resolve, reject) => {
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      if (all.length < 10_000) all += text;
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { level, message, url, error_code: code } = readLine(line);
        if (url !== undefined) resolve(url);
        if (level !== 'warn' && level !== 'error') continue;
        const trouble = `${message ?? line}${code === undefined ? '' : ` (${code})`}`;
        troubles.set(trouble, (troubles.get(trouble) ?? 0) + 1);
      }
    });
    child.once('close', () => reject(new Error(`serve ended:\n${all}`)));
  });
}

function readLine(line: string): Partial<Record<'level' | 'message' | 'url' | 'error_code', string>> {
  try {
    return JSON.parse(line) as Record<string, string>;
  } catch {
    return {};
  }
}
