// What copy, backup and restore share: the progress, and which database an error belongs to.
import type { Io } from '../../context.ts';
import { databaseError, NOTHING_PUBLISHED } from '../../db/database-errors.ts';
import { isOperatorError, OperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { createProgress } from '../../terminal/progress.ts';

type MovedRows = { table: string | null; rows: number; total: number };

/** The step without a table counts and compares: it reads every row on both sides. */
export function movingProgress(io: Io, logger: Pick<Logger, 'info'>) {
  const progress = createProgress({ stderr: io.stderr, logger });
  return {
    to: ({ table, rows, total }: MovedRows) =>
      progress.to(rows, total === 0 ? null : total, () => table ?? 'comparing every row'),
    end: () => progress.end(),
  };
}

// Their messages say "the database", but two databases are involved.
const AMBIGUOUS = /^(DATABASE_|MIGRATION_CHANGED$|HISTORY_COPIED$)/;

const SOURCE_IS_WHOLE = 'Nothing was copied, and the source is as it was';

/** The same error, with words that say which database it was. */
export function ofTarget(error: unknown): unknown {
  const known = isOperatorError(error) ? error : databaseError(error);
  if (known === undefined || !AMBIGUOUS.test(known.code)) return error;
  const { code, happened, means, todo } = known;
  return new OperatorError({
    code,
    happened: `At the target: ${withItsUrl(happened)}`,
    means: means === NOTHING_PUBLISHED ? SOURCE_IS_WHOLE : means,
    todo: withItsUrl(todo),
    cause: error,
  });
}

function withItsUrl(text: string): string {
  const atStart = text.replaceAll(/(^|\. )DATABASE_URL/g, '$1The URL of the target');
  return atStart.replaceAll('DATABASE_URL', 'the URL of the target');
}
