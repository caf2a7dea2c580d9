// The configuration as tests read it: from an environment alone, with the problems of a refused one.
import assert from 'node:assert/strict';
import { readConfig, type Config } from '../../src/config.ts';
import { OperatorError } from '../../src/errors.ts';

export const TOKEN = 'tok_0123456789abcdefghij';
export const GOOD = { CLOUDFLARE_API_TOKEN: TOKEN, CLOUDFLARE_ACCOUNT_ID: 'acc1' };
export type Env = Record<string, string | undefined>;

export const read = (env: Env, needs: Parameters<typeof readConfig>[1] = []): Config =>
  readConfig({ env, envFile: null }, needs);

export function refusal(work: () => unknown): OperatorError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    assert.equal(error.code, 'CONFIGURATION');
    assert.equal(error.exit, 78);
    return error;
  }
  throw new Error('it was accepted');
}

/** The problems, one per line, without the dash. */
export const problems = (env: Env, needs: Parameters<typeof readConfig>[1] = []): string[] =>
  refusal(() => read(env, needs))
    .happened.split('\n')
    .slice(1)
    .filter((line) => line.startsWith('  - '))
    .map((line) => line.slice(4));
