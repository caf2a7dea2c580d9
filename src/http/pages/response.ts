// The page of response times: the choices in its address, and the rows of its list.
import * as z from 'zod';
import { responseOf } from '../../answers/pages/response.ts';
import type { Db } from '../../db/handle.ts';
import { layout } from '../../pages/layout.ts';
import type { Html, Page } from '../../pages/page.ts';
import { nothingYet } from '../../pages/parts.ts';
import { responsePage } from '../../pages/response.ts';
import { cut, readCursor } from '../cursor.ts';

export const OpenKey = z.tuple([z.iso.datetime(), z.string(), z.guid()]);
const ROWS = 25;

/** Throws CURSOR_INVALID. */
export async function drawResponse(
  db: Db,
  page: Page,
  { highTargetMs: targetMs, nextSlot }: { highTargetMs: number; nextSlot: () => Date | null },
): Promise<Html> {
  if (page.scope.accounts.every(({ first_at }) => first_at === null))
    return layout(page, 'Response', nothingYet(page, nextSlot()));
  const after = readCursor(page.query.get('cursor'), OpenKey);
  const response = await responseOf(db, page.scope, { targetMs, after, most: ROWS });
  return responsePage(
    page,
    response,
    cut(response.open.rows, ROWS, (row) => [row.started_at, row.account_id, row.user_id]),
  );
}
