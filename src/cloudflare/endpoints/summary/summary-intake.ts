// How the client takes in one answer: from its JSON, or record by record as it arrives. Each attempt gets a fresh
// intake.
import { orAborted } from '../../or-aborted.ts';
import type { OpenReader, RecordReader } from './record-reader.ts';
import { readSummary, type ResultInfo } from '../../responses.ts';
import { tallyPage, type PageTally } from '../../paging/tally-page.ts';
import type { Turn } from '../../turns.ts';

export type Intake<T> = {
  /**
   * For a body that is too large to hold: returns the function that takes its records one by one. Null: such a body is
   * not read.
   */
  openLarge: (() => Promise<(record: unknown) => void>) | null;
  /**
   * Called as soon as the body has ended. `json` lacks the records that were taken. Undefined: the answer is not what
   * was asked for.
   */
  read(json: unknown, bytes: number): T | undefined | Promise<T | undefined>;
};

export function createSummaryIntake<T>(request: {
  openReader: OpenReader<T>;
  signal: AbortSignal;
  takeTurn(): Turn;
}): Intake<PageTally<T> & { info: ResultInfo; bytes: number }> {
  const { openReader, signal } = request;
  let reader: RecordReader<PageTally<T>> | null = null;

  async function open(): Promise<RecordReader<PageTally<T>>> {
    return tallyPage(await orAborted(Promise.resolve(openReader()), signal));
  }

  return {
    async openLarge() {
      const opened = await open();
      reader = opened;
      return (record) => opened.add(record);
    },
    async read(json, bytes) {
      const summary = readSummary(json);
      if (summary === null) return undefined;
      // Taken before any wait, because turns follow the order in which bodies end.
      const turn = request.takeTurn();
      try {
        reader ??= await open();
        for (const record of summary.records) reader.add(record);
        const page = { ...reader.end(), info: summary.info, bytes };
        await orAborted(turn.come, signal);
        return page;
      } finally {
        turn.over();
      }
    },
  };
}
