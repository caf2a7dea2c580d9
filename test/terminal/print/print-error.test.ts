// An error is wrapped for people at a terminal. In a log, each sentence stays on one line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperatorError } from '../../../src/errors.ts';
import { printError } from '../../../src/terminal/print/print-error.ts';

const error = new OperatorError({
  code: 'ENDPOINT_NOT_FOUND',
  happened: 'There is no risk summary at this address (status 404, code 7000: "No route for that URI")',
  means: 'No snapshot was published; the last one stays as it is',
  todo: 'Check CLOUDFLARE_BASE_URL; Cloudflare itself is https://api.cloudflare.com/client/v4',
});

function printed(terminal: { isTTY?: boolean; columns?: number }): string[] {
  let text = '';
  printError({ stderr: { ...terminal, write: (piece) => (text += piece) } }, error);
  return text.trimEnd().split('\n');
}

test('every sentence of an error is one line outside of a terminal', () => {
  const lines = printed({ columns: 40 });
  assert.equal(lines.length, 3);
  assert.match(lines[0]!, /^error ENDPOINT_NOT_FOUND: .* URI"\)\.$/);
  assert.match(lines[2]!, /^  Check .*v4\.$/);
});

test('on a terminal, no word of an error is broken', () => {
  const lines = printed({ isTTY: true, columns: 60 });
  assert.ok(lines.length > 3);
  for (const line of lines) assert.ok(line.length <= 60, line);
  assert.equal(
    lines.map((line) => line.trim()).join(' '),
    printed({})
      .map((line) => line.trim())
      .join(' '),
  );
});

test('on a terminal that does not know its width, every sentence is one line', () => {
  assert.equal(printed({ isTTY: true, columns: 0 }).length, 3);
});
