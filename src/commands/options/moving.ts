// What copy, backup and restore share: the progress, and whose error it is.
import type { Io } from '../../context.ts';
import { databaseError } from '../../db/database-errors.ts';
import { isOperatorError, OperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { createProgress } from '../../terminal/progress.ts';

type Step = { table: string | null; rows: number; total: number };

/** The step without a table counts and compares: on both sides, it reads every row. */
export function movingProgress(io: Io, logger: Pick<Logger, 'info'>) {
  const progress = createProgress({ stderr: io.stderr, logger });
  return {
    to: ({ table, rows, total }: Step) =>
      progress.to(rows, total === 0 ? null : total, () => table ?? 'comparing every row'),
    end: () => progress.end(),
  };
}

// They speak of "the database", and two are at work.
const AMBIGUOUS = /^(DATABASE_|MIGRATION_CHANGED$|HISTORY_COPIED$)/;

/** The same error, with the words that say which database it was. */
export function ofTarget(error: unknown): unknown {
  const known = isOperatorError(error) ? error : databaseError(error);
  if (known === undefined || !AMBIGUOUS.test(known.code)) return error;
  const { code, happened, means, todo } = known;
  return new OperatorError({
    code,
    happened: `At the target: ${happened}`,
    means,
    todo: todo.replaceAll('DATABASE_URL', 'the URL of the target'),
    cause: error,
  });
}
