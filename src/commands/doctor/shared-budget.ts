// Checks the requests that all replicas share: whether runs wait for them.
import type { Pool } from '../../db/pool.ts';
import { isHeldUp, sharedBudgetInWords } from '../../terminal/shared-budget.ts';
import { requestWindows, type RequestWindow } from '../../queries/health/request-windows.ts';
import { checkInDatabase } from './database.ts';
import { merged, warning, type Line } from './lines.ts';

export function checkSharedBudget(pool: Pool): Promise<Line> {
  return checkInDatabase(pool, 'shared_budget', 'risk_internal.request_budgets', async (tx) =>
    judgeSharedBudget(await requestWindows(tx)),
  );
}

export function judgeSharedBudget(windows: readonly RequestWindow[]): Line {
  const good =
    windows.length === 0
      ? 'no request today'
      : `by all replicas: ${windows.map(sharedBudgetInWords).join('; ')}`;
  const findings = windows
    .filter(isHeldUp)
    .map((one) =>
      warning(
        'shared_budget',
        `by all replicas: ${sharedBudgetInWords(one)}`,
        'Wait, or sync fewer accounts with this token: see docs/performance.md, "How many accounts one token carries"',
      ),
    );
  return merged('shared_budget', good, findings);
}
