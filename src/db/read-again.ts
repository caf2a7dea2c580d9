// Retries a read after its connection was lost. Unlike a write, a read may safely happen twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectionLoss, RESTART_PAUSES_MS } from './database-errors.ts';

// No pause before the first retry: most often, only an idle connection was lost.
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
