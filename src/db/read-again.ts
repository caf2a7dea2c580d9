// A read whose connection went away is made again: unlike a write, it cannot have happened twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectionLoss } from './database-errors.ts';

// A restart of Postgres takes seconds: 0, 0.5, 1, 2 s between the attempts. The first loss is most often an idle connection.
const PAUSES_MS = [0, 500, 1_000, 2_000];

export async function readAgain<T>(read: () => Promise<T>): Promise<T> {
  for (const pause of PAUSES_MS) {
    try {
      return await read();
    } catch (error) {
      if (!isConnectionLoss(error)) throw error;
      await sleep(pause);
    }
  }
  return read();
}
