// What every suite gets: a server, an API, and its settings from the environment.
import { startApi, type Api } from './api.ts';
import { startPostgres, type Postgres } from './postgres.ts';

export type Bench = { postgres: Postgres; api: Api; rounds: number };

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Starts both, and stops both in any case. */
export async function withBench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const postgres = await startPostgres();
  const api = await startApi();
  // The API ends with this process, but the server would keep running.
  const giveUp = () => void postgres.stop().finally(() => process.exit(1));
  for (const signal of SIGNALS) process.once(signal, giveUp);
  try {
    await work({ postgres, api, rounds: numbersOf('BENCH_ROUNDS', [5])[0]! });
  } finally {
    for (const signal of SIGNALS) process.off(signal, giveUp);
    await api.stop();
    await postgres.stop();
  }
}

/** Reads a variable with one or more whole numbers, separated by commas. */
export function numbersOf(variable: string, otherwise: readonly number[]): number[] {
  const text = process.env[variable] ?? '';
  if (text === '') return [...otherwise];
  const numbers = text.split(',').map(Number);
  if (numbers.some((n) => !Number.isInteger(n) || n < 1))
    throw new Error(`${variable} must be whole numbers: ${text}`);
  return numbers;
}
