// A bar on a terminal, a log line now and then elsewhere.
import { progress } from '@clack/prompts';
import type { Logger } from '../logger.ts';

export type Progress = {
  to(done: number, total: number | null, message: string): void;
  end(message: string): void;
  fail(message: string): void;
};

const LOG_EVERY_MS = 10_000;

/** `steps` is the length of the bar; `to` is given the share that is done. */
export function createProgress(options: {
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  logger: Pick<Logger, 'info'>;
  title: string;
}): Progress {
  const { stderr, logger, title } = options;
  if (stderr.isTTY === true) {
    const size = 100;
    const bar = progress({ max: size, size: 30, output: stderr as NodeJS.WriteStream, withGuide: false });
    let at = 0;
    bar.start(title);
    return {
      to(done, total, message) {
        const share = total === null || total === 0 ? at : Math.min(size, Math.floor((done / total) * size));
        bar.advance(Math.max(0, share - at), message);
        at = Math.max(at, share);
      },
      end: (message) => bar.stop(message),
      fail: (message) => bar.error(message),
    };
  }
  let last = Date.now();
  return {
    to(done, total, message) {
      if (Date.now() - last < LOG_EVERY_MS) return;
      last = Date.now();
      logger.info({ done, total, step: message }, 'progress');
    },
    end: () => undefined,
    fail: () => undefined,
  };
}
