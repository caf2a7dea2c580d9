// The command line as people and scripts start it: the bundle in its own process.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js');

export type CliResult = { code: number; stdout: string; stderr: string };

/** The environment holds only what is given. `folder` should hold no `.env` except the test's own. */
export function runCli(
  args: readonly string[],
  env: Record<string, string> = {},
  folder = tmpdir(),
): Promise<CliResult> {
  if (!existsSync(CLI)) throw new Error('run `npm run build` first (npm test does)');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [CLI, ...args],
      { cwd: folder, env: { PATH: process.env['PATH'] ?? '', ...env }, maxBuffer: 67_108_864 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}
