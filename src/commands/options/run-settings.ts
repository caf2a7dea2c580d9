// The settings of a run, as every command that starts runs needs them.
import type { Config } from '../../config.ts';
import { createPiiPolicy } from '../../pii-policy.ts';
import type { RunSettings } from '../../sync/run-sync.ts';

/** The configuration must have been read with `pii`. */
export function runSettings({ sync, pii }: Config): RunSettings {
  return { ...sync, pii: createPiiPolicy(pii.mode, pii.key) };
}
