// The settings of a run, as every command that starts runs needs them.
import type { Config } from '../../config.ts';
import { createIdentityPolicy } from '../../identity-policy.ts';
import type { RunSettings } from '../../sync/run-sync.ts';

/** The configuration must have been asked for `identities`. */
export function runSettings({ sync, identities }: Config): RunSettings {
  return { ...sync, identities: createIdentityPolicy(identities.mode, identities.key) };
}
