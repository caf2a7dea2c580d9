// Messages promise a stack trace with LOG_LEVEL=debug, from the environment and from `.env`, also while the
// configuration is being read. A trace names places, but never the defect's message, because it may quote anything.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { runCli, type CliResult } from '../support/cli.ts';

const ADDRESS = 'ada@example.com';
/** To read the configuration, every command first asks the system for the home folder. */
const DEFECT = `import os from 'node:os';
import { syncBuiltinESMExports } from 'node:module';
os.homedir = function homeless() { throw new RangeError('${ADDRESS}\\n    at ${ADDRESS}') };
syncBuiltinESMExports();`;

async function withDefect(
  t: TestContext,
  {
    args = ['status'],
    env = {},
    dotEnv,
    defect = DEFECT,
  }: { args?: string[]; env?: Record<string, string>; dotEnv?: string; defect?: string },
): Promise<CliResult> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-stack-'));
  t.after(() => rm(folder, { recursive: true }));
  if (dotEnv !== undefined) await writeFile(path.join(folder, '.env'), dotEnv);
  const preload = `--import=data:text/javascript,${encodeURIComponent(defect)}`;
  return runCli(args, { NODE_OPTIONS: preload, ...env }, folder);
}

/** Thrown outside of every promise, once the command is being loaded. */
const LATER = `process.on('newListener', (name) => {
  if (name === 'SIGTERM') setImmediate(function outside() { throw new RangeError('${ADDRESS}') });
});`;

test('a defect outside of every promise is reported the same way, without its message', async (t) => {
  for (const LOG_LEVEL of ['info', 'debug']) {
    const { code, stdout, stderr } = await withDefect(t, { defect: LATER, env: { LOG_LEVEL } });
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^error UNEXPECTED: An unexpected error occurred \(RangeError\)\.\n/);
    assert.equal(/^    at .*outside/m.test(stderr), LOG_LEVEL === 'debug', stderr);
    assert.ok(!stderr.includes(ADDRESS), stderr);
  }
});

describe('a defect while the configuration is read', () => {
  for (const [title, isTraced, asked] of [
    ['with LOG_LEVEL=debug in the environment', true, { env: { LOG_LEVEL: 'debug' } }],
    ['with LOG_LEVEL=debug in .env', true, { dotEnv: 'LOG_LEVEL=debug\n' }],
    ['with LOG_LEVEL=trace in .env', true, { dotEnv: 'LOG_LEVEL="trace" # all of it\n' }],
    [
      'of a command that reads no configuration',
      true,
      { dotEnv: 'LOG_LEVEL=debug\n', args: ['database', 'url'] },
    ],
    [
      'with an empty LOG_LEVEL that overrides the one in .env',
      true,
      { dotEnv: 'LOG_LEVEL=debug', env: { LOG_LEVEL: '' } },
    ],
    [
      'with a level in the environment that overrides the one in .env',
      false,
      { dotEnv: 'LOG_LEVEL=debug', env: { LOG_LEVEL: 'info' } },
    ],
    ['without LOG_LEVEL', false, {}],
  ] as const) {
    test(`${title} shows ${isTraced ? 'its' : 'no'} stack trace`, async (t) => {
      const { code, stdout, stderr } = await withDefect(t, {
        ...asked,
        args: [...('args' in asked ? asked.args : ['status'])],
      });
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^error UNEXPECTED: An unexpected error occurred \(RangeError\)\.\n/);
      assert.match(stderr, /LOG_LEVEL=debug/);
      assert.equal(/^    at .*homeless/m.test(stderr), isTraced, stderr);
      assert.equal(/^    at .*dataFolder/m.test(stderr), isTraced, stderr);
      assert.ok(!stderr.includes(ADDRESS), stderr);
    });
  }
});
