import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { openFiles } from '../../src/saved/open-files.ts';

const signal = new AbortController().signal;
// Other tests keep an input at the same time.
process.env['TMPDIR'] = mkdtempSync(path.join(tmpdir(), 'zt-risk-sync-test-'));
const kept = () => readdirSync(tmpdir());

test('the standard input can be read several times, and is visible in no folder meanwhile', async () => {
  const stdin = Readable.from([Buffer.from('one '), Buffer.from('two')]);
  const before = kept();
  const { files, close } = await openFiles(['-'], { at: '2024-01-05T00Z', stdin, signal });
  assert.deepEqual(kept(), before);
  for (let time = 1; time <= 2; time++)
    assert.equal(String(await buffer(files[0]!.open() as Readable)), 'one two');
  await close();
});

test('an interrupt ends the wait for a standard input without data', async () => {
  const interrupt = new AbortController();
  const stdin = new Readable({ read: () => undefined });
  const before = kept();
  const opening = openFiles(['-'], { at: '2024-01-05T00Z', stdin, signal: interrupt.signal });
  const reason = new Error('told to stop');
  interrupt.abort(reason);
  await assert.rejects(opening, (error) => error === reason);
  assert.ok(stdin.destroyed);
  assert.deepEqual(kept(), before);
});

test('a terminal is refused as standard input: nothing is piped', async () => {
  const stdin = Object.assign(Readable.from([]), { isTTY: true });
  await assert.rejects(openFiles(['-'], { at: '2024-01-05T00Z', stdin, signal }), { code: 'IMPORT_OPTIONS' });
});
