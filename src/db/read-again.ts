// A read whose connection went away is made again: unlike a write, it cannot have happened twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectionLoss, RESTART_PAUSES_MS } from './database-errors.ts';

// The first loss is most often an idle connection.
const PAUSES_MS = [0, ...RESTART_PAUSES_MS];

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
