// The suggested command works where the user is: in a checkout, under npx, or with the command on the PATH.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { howToRun } from '../../../src/commands/options/how-to-run.ts';

for (const [title, env, command, quiet] of [
  [
    'npm start in a checkout',
    { npm_lifecycle_event: 'start', npm_package_name: 'zt-risk-sync' },
    'npm start --',
    'npm -s start --',
  ],
  [
    'npm run demo in a checkout',
    { npm_lifecycle_event: 'demo', npm_package_name: 'zt-risk-sync' },
    'npm start --',
    'npm -s start --',
  ],
  [
    "another project's npm start",
    { npm_lifecycle_event: 'start', npm_package_name: 'theirs' },
    'zt-risk-sync',
    'zt-risk-sync',
  ],
  ['npx', { npm_lifecycle_event: 'npx' }, 'npx zt-risk-sync', 'npx zt-risk-sync'],
  ['a shell', {}, 'zt-risk-sync', 'zt-risk-sync'],
] as const)
  test(`${title} suggests ${command}`, () => assert.deepEqual(howToRun({ env }), { command, quiet }));
