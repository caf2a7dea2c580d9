// The phases of a run and who may know whom: claim, state, walk, absence, publish. Types included.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const PHASES = ['claim', 'state', 'walk', 'absence', 'publish'];
const sync = path.resolve(import.meta.dirname, '../../src/sync');

/** What the files of a phase import from the other rooms of src/sync. */
function importsOf(phase: string): { file: string; target: string }[] {
  return readdirSync(path.join(sync, phase)).flatMap((file) =>
    [...readFileSync(path.join(sync, phase, file), 'utf8').matchAll(/from '\.\.\/([a-z][^']*)'/g)].map(
      ([, target = '']) => ({ file: `${phase}/${file}`, target }),
    ),
  );
}

test('src/sync has a folder for each phase, and no other', () => {
  const folders = readdirSync(sync, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(folders.map(({ name }) => name).toSorted(), PHASES.toSorted());
});

test('no phase imports a later one, and none but publish the corridor: it records the run', () => {
  for (const [n, phase] of PHASES.entries()) {
    const earlier = PHASES.slice(0, n);
    for (const { file, target } of importsOf(phase)) {
      const isRecord = phase === 'publish' && target === 'record-run.ts';
      assert.ok(isRecord || earlier.includes(target.split('/')[0] ?? ''), `${file} imports ${target}`);
    }
  }
});
