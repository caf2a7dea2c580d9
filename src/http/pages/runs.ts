// The pages of runs: the choices in their addresses, and the rows of the ledger.
import * as z from 'zod';
import { oneRunOf, runNotFound, runsOf } from '../../answers/pages/runs.ts';
import type { Db } from '../../db/handle.ts';
import { OperatorError } from '../../errors.ts';
import { layout } from '../../pages/layout.ts';
import type { Html, Page } from '../../pages/page.ts';
import { nothingYet } from '../../pages/parts.ts';
import { runPage } from '../../pages/run.ts';
import { runsPage } from '../../pages/runs.ts';
import { cut, readCursor } from '../cursor.ts';

export const RunKey = z.tuple([z.iso.datetime(), z.int()]);
export const RUN_STATUSES = ['succeeded', 'failed', 'abandoned'] as const;
export const VERDICTS = ['complete', 'partial'] as const;
const ROWS = 50;

/** Throws SCOPE_INVALID, CURSOR_INVALID. */
export async function drawRuns(
  db: Db,
  page: Page,
  { nextSlot }: { nextSlot: () => Date | null },
): Promise<Html> {
  // An account is added with its first run.
  if (page.scope.accounts.length === 0) return layout(page, 'Runs', nothingYet(page, nextSlot()));
  const runs = await runsOf(db, page.scope, {
    status: oneOf(page, 'status', RUN_STATUSES),
    verdict: oneOf(page, 'verdict', VERDICTS),
    after: readCursor(page.query.get('cursor'), RunKey),
    most: ROWS,
  });
  return runsPage(
    page,
    runs,
    cut(runs.ledger.rows, ROWS, (run) => [run.finished_at, run.run_id]),
  );
}

/** Throws RUN_NOT_FOUND. */
export async function drawRun(db: Db, page: Page, text: string): Promise<Html> {
  const runId = Number(text);
  if (!/^\d{1,15}$/.test(text)) throw runNotFound(text);
  return runPage(page, await oneRunOf(db, page.scope, runId));
}

function oneOf(page: Page, name: string, choices: readonly string[]): string | null {
  const value = page.query.get(name);
  if (!value) return null;
  if (choices.includes(value)) return value;
  throw new OperatorError({
    code: 'SCOPE_INVALID',
    happened: `The parameter ${name} of this address cannot be read`,
    means: 'It is not known which runs are meant',
    todo: `Give one of ${choices.join(', ')}, or leave it out`,
  });
}
