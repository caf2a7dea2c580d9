// Publishes one snapshot from saved pages, by a run like any other: claim, comparison, guards, publish. It looks up no
// user, and records the files in the transaction of the publish.
import type { Pool } from '../../db/pool.ts';
import { imports } from '../../db/schema.ts';
import type { Transaction } from '../../db/transaction.ts';
import { OperatorError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { PlannedSnapshot } from '../../saved/plan-snapshots.ts';
import { readPlanned } from '../../saved/saved-pass.ts';
import type { LeaseTiming } from '../../sync/claim/lease.ts';
import type { Alongside, PublishedAt } from '../../sync/publish/publish.ts';
import { requestSync, type SyncOutcome, type SyncRequest } from '../../sync/request-sync.ts';
import type { RunDeps, RunSettings } from '../../sync/run-sync.ts';
import { outOfOrder } from './plan-import.ts';

export type ImportDeps = {
  pool: Pool;
  logger: Logger;
  settings: RunSettings;
  timing: LeaseTiming;
  failpoint?: NonNullable<RunDeps['failpoint']>;
};

export type ImportRequest = Pick<SyncRequest, 'accountId' | 'signal' | 'onProgress'> & {
  planned: PlannedSnapshot;
  acceptMassClear: boolean;
};

export type Imported = Extract<SyncOutcome, { kind: 'ran' }>;

/** Throws what `requestSync` throws, and IMPORT_BUSY. Errors of the run are in the outcome. */
export async function importSnapshot(deps: ImportDeps, request: ImportRequest): Promise<Imported> {
  const { planned, accountId, acceptMassClear, signal, onProgress } = request;
  const outcome = await requestSync(
    { ...deps, client: NOBODY, readPages: readPlanned(planned), settings: settingsOf(deps.settings) },
    {
      accountId,
      trigger: 'import',
      observedAt: planned.at,
      acceptMassClear,
      signal,
      alongside: (tx, snapshot) => recordFiles(tx, request, snapshot),
      ...(onProgress === undefined ? {} : { onProgress }),
    },
  );
  if (outcome.kind === 'ran') return outcome;
  throw busy(accountId);
}

/**
 * Saved pages are read once, and only complete walks clear users: what a record said years ago can no longer be looked
 * up.
 */
export function settingsOf(settings: RunSettings): RunSettings {
  return { ...settings, perPage: 1, maxPasses: 1, confirm: 'walks' };
}

const nobody = () => Promise.reject(new Error('an import asks nobody'));
const NOBODY: RunDeps['client'] = { summaryPage: nobody, lookUpUser: nobody };

/** Another run may have published after the plan was made. The snapshot would then have another instant. */
function recordFiles(
  tx: Transaction,
  { accountId, planned }: ImportRequest,
  { accountKey, snapshotId, observedAt }: PublishedAt,
): Alongside[] {
  const written = new Date(observedAt);
  if (written.getTime() !== planned.at.getTime())
    throw outOfOrder(accountId, planned, 1, new Date(written.getTime() - 1));
  const rows = planned.files.map(({ digest }) => ({
    account_key: accountKey,
    observed_at: observedAt,
    digest,
    snapshot_id: snapshotId,
  }));
  return [{ sql: tx.insert(imports).values(rows), rows: rows.length }];
}

function busy(accountId: string): OperatorError {
  return new OperatorError({
    code: 'IMPORT_BUSY',
    happened: `Another run is working on account ${accountId}`,
    means: 'The rest of the files was not imported. What was imported before stays',
    todo: 'Stop the syncs of this account until its files are imported. Then start the import again: it continues where it stopped',
  });
}
