// A bar on a terminal, elsewhere a log line every 10 seconds. Both show the time left once it can be estimated. It
// imports the default export, because Node does not find the name Format in this CommonJS package.
import cliProgress from 'cli-progress';
import type { Logger } from '../logger.ts';
import { nextTimeLeft, timeLeftText, type TimeLeft } from './time-left.ts';

export type Progress = {
  /**
   * `total` null: not known yet. `message` is called only for output that is shown, because a walk has thousands of
   * pages.
   */
  to(done: number, total: number | null, message: () => string): void;
  end(): void;
};

const LOG_EVERY_MS = 10_000;

export function createProgress(options: {
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  logger: Pick<Logger, 'info'>;
  /** The least time in ms that `more` further pages take. */
  leastMs?: (more: number) => number;
}): Progress {
  const { stderr, logger } = options;
  let timeLeft: TimeLeft | null = null;
  function left(done: number, total: number | null): string | null {
    const at = performance.now();
    const leastMs = total === null ? 0 : (options.leastMs?.(total - done) ?? 0);
    timeLeft = nextTimeLeft(timeLeft, { at, done, total, leastMs });
    return timeLeftText(timeLeft, at);
  }
  if (stderr.isTTY === true) {
    const bar = new cliProgress.SingleBar({
      stream: stderr,
      format: (settings, params, payload: { message: string; left: string | null }) =>
        [
          `${cliProgress.Format.BarFormat(params.progress, settings)} ${Math.floor(params.progress * 100)}%`,
          ...(payload.left === null ? [] : [payload.left]),
          payload.message,
        ].join('  '),
      // The text beside the bar must also fit.
      barsize: (stderr.columns ?? 80) < 100 ? 20 : 30,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      clearOnComplete: true,
      hideCursor: true,
      // main.ts handles signals: an interrupted run is recorded first.
      gracefulExit: false,
    });
    let started = false;
    return {
      to(done, total, message) {
        const payload = { message: message(), left: left(done, total) };
        if (!started) bar.start(total ?? 0, done, payload);
        started = true;
        bar.setTotal(Math.max(total ?? 0, done, 1));
        bar.update(done, payload);
      },
      end() {
        if (!started) return;
        // stop() moves the cursor to the position saved at the start. Log lines have scrolled since, so the next output
        // would overwrite them. This saves the current position instead.
        stderr.write('\u001b7');
        bar.stop();
      },
    };
  }
  let last = Date.now();
  return {
    to(done, total, message) {
      const text = left(done, total);
      if (Date.now() - last < LOG_EVERY_MS) return;
      last = Date.now();
      logger.info({ done, total, step: message(), ...(text === null ? {} : { left: text }) }, 'progress');
    },
    end: () => undefined,
  };
}
