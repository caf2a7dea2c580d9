import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openLogger } from '../../src/context.ts';

function lines(isTTY: boolean): string {
  let text = '';
  const stderr = { isTTY, write: (line: string) => (text += line) };
  openLogger({ stderr } as never, { logLevel: 'info', secrets: [] }).warn('a line');
  return text;
}

test('a log line replaces the progress bar on a terminal, and is plain JSON elsewhere', () => {
  assert.match(lines(true), /^\r\u001b\[K\d\d:\d\d:\d\d warn {2}a line\n$/);
  assert.match(lines(false), /^\{"level":"warn".*\}\n$/);
});
