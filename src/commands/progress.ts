// A bar on a terminal, a log line now and then elsewhere.
import { Format, SingleBar } from 'cli-progress';
import type { Logger } from '../logger.ts';

export type Progress = {
  /** `total` null: not known yet. */
  to(done: number, total: number | null, message: string): void;
  end(): void;
};

const LOG_EVERY_MS = 10_000;

export function createProgress(options: {
  stderr: NodeJS.WritableStream & { isTTY?: boolean };
  logger: Pick<Logger, 'info'>;
}): Progress {
  const { stderr, logger } = options;
  if (stderr.isTTY === true) {
    const bar = new SingleBar({
      stream: stderr,
      format: (settings, params, payload: { message: string }) =>
        `${Format.BarFormat(params.progress, settings)} ${Math.floor(params.progress * 100)}%  ${payload.message}`,
      barsize: 30,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      clearOnComplete: true,
      hideCursor: true,
      // Signals are for cli.ts: a run that is interrupted is recorded first.
      gracefulExit: false,
    });
    let started = false;
    return {
      to(done, total, message) {
        if (!started) bar.start(total ?? 0, done, { message });
        started = true;
        bar.setTotal(Math.max(total ?? 0, done, 1));
        bar.update(done, { message });
      },
      end() {
        if (started) bar.stop();
      },
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
  };
}
