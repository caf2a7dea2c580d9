// The record of processing: what is held of people, since when, how long, who may read it, and what was erased.
import type { Db } from '../../db/handle.ts';
import type { PiiMode } from '../../pii-policy.ts';
import { databaseNow } from '../../queries/health/database-now.ts';
import { lastCopy } from '../../queries/health/last-copy.ts';
import { dataReaders, identityPublications, type DataReader } from '../../queries/privacy/data-readers.ts';
import { erasedSummary, type ErasedSummary } from '../../queries/privacy/erased-summary.ts';
import { heldAccounts, type HeldAccount } from '../../queries/privacy/held-accounts.ts';
import { wholeParts, type WholePart } from '../../queries/privacy/whole-since.ts';
import type { Retention } from '../../retention.ts';

/** What the settings of this process say. */
export type PrivacySettings = {
  mode: PiiMode;
  keyId: string | null;
  retention: Retention;
  rejectedRetentionMs: number;
  /** Whether pages and the API show emails and names to holders of HTTP_PII_TOKEN. */
  shownOverHttp: boolean;
};

export type PrivacyRecord = {
  at: Date;
  settings: PrivacySettings;
  accounts: HeldAccount[];
  whole: WholePart[];
  readers: DataReader[];
  publications: string[];
  copiedAt: Date | null;
  erased: ErasedSummary;
};

export async function privacyRecord(db: Db, settings: PrivacySettings): Promise<PrivacyRecord> {
  return {
    at: await databaseNow(db),
    settings,
    accounts: await heldAccounts(db),
    whole: await wholeParts(db),
    readers: await dataReaders(db),
    publications: await identityPublications(db),
    copiedAt: (await lastCopy(db)).copied_at,
    erased: await erasedSummary(db),
  };
}

/** Whether an account's emails and names are kept as the settings ask. */
export function isAsSet(account: HeldAccount, { mode, keyId }: PrivacySettings): boolean {
  return account.is_applied && account.mode === mode && (mode !== 'pseudonymous' || account.key_id === keyId);
}
