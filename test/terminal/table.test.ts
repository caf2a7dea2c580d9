// Tables fit the terminal, use its width, and hold nothing but text.
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import stringWidth from 'string-width';
import { painter, paintLevel, wantsColour } from '../../src/terminal/colour.ts';
import { fitText, openRows, table, type Cell, type Column } from '../../src/terminal/table.ts';

const COLUMNS: readonly Column[] = [
  { name: 'id' },
  { name: 'label', shrinks: true },
  { name: 'pages', right: true, extra: true },
  { name: 'host', extra: true, shrinks: true },
];

describe('table', () => {
  const LONG = 'x'.repeat(90);

  it('adds extra columns to a wide terminal in their order, as long as they fit', () => {
    const rows: Cell[][] = [[LONG, 'x', 12, 'worker-1']];
    const heads = [97, 99, 104, 200].map((width) =>
      table(COLUMNS, rows, width).split('\n')[0]?.replace(/ +/g, ' '),
    );
    assert.deepEqual(heads, ['id label', 'id label', 'id label pages', 'id label pages host']);
  });

  it('skips an extra column that is too wide, and still adds a later one that fits', () => {
    const columns: Column[] = [
      { name: 'id' },
      { name: 'y'.repeat(20), extra: true },
      { name: 'b', extra: true },
    ];
    assert.match(table(columns, [[LONG, 'x', 'y']], 100), /^id +b\nx+ {2}y$/);
  });

  it('never is wider than the terminal, whatever the text, and keeps every row on one line', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constant('漢字'.repeat(30)));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, fc.nat()), { maxLength: 5 }),
        fc.integer({ min: 20, max: 160 }),
        (rows, width) => {
          const cells = rows.map(([label, pages]): Cell[] => ['abc', label, pages, label]);
          const lines = table(COLUMNS, cells, width).split('\n');
          assert.equal(lines.length, rows.length + 1);
          for (const line of lines) assert.ok(stringWidth(line) <= width, line);
        },
      ),
    );
  });

  it('cuts a text to columns, not to letters', () => {
    assert.equal(fitText('漢字漢字', 8), '漢字漢字');
    assert.equal(fitText('漢字漢字', 7), '漢字漢…');
    assert.equal(fitText('漢字漢字', 6), '漢字…');
    assert.equal(fitText('abc', 2), 'a…');
  });

  it('aligns columns alike with and without colours', () => {
    const columns: Column[] = [
      { name: 'level', paint: paintLevel(painter(terminal({ FORCE_COLOR: '1' }))) },
      { name: 'id' },
    ];
    const rows = [
      ['high*', 'x'],
      ['low', 'y'],
      [null, 'z'],
    ];
    const painted = table(columns, rows, 80);
    assert.match(painted, /^\u001b\[31mhigh\*\u001b\[39m {2}x$/m);
    assert.equal(
      painted.replaceAll(/\u001b\[\d+m/g, ''),
      table([{ name: 'level' }, { name: 'id' }], rows, 80),
    );
  });
});

const terminal = (env: Record<string, string>, isTTY = false) => ({ stdout: { isTTY }, source: { env } });

describe('colours', () => {
  it('are for a terminal, unless NO_COLOR or TERM=dumb forbids them; FORCE_COLOR overrides both', () => {
    for (const [env, onTerminal, elsewhere] of [
      [{}, true, false],
      [{ NO_COLOR: '' }, true, false],
      [{ NO_COLOR: '1' }, false, false],
      [{ TERM: 'dumb' }, false, false],
      [{ TERM: 'xterm' }, true, false],
      [{ FORCE_COLOR: '' }, true, true],
      [{ FORCE_COLOR: '1', NO_COLOR: '1', TERM: 'dumb' }, true, true],
      [{ FORCE_COLOR: '3' }, true, true],
      [{ FORCE_COLOR: '0' }, false, false],
      [{ FORCE_COLOR: 'false' }, false, false],
    ] as const) {
      assert.equal(wantsColour(terminal(env, true)), onTerminal, JSON.stringify(env));
      assert.equal(wantsColour(terminal(env)), elsewhere, JSON.stringify(env));
    }
  });
});

describe('rows that are written as they arrive', () => {
  function write(format: 'json' | 'csv', parts: Cell[][][]): string {
    let text = '';
    const out = new Writable({
      write(piece: Buffer, _encoding, done) {
        text += piece.toString();
        done();
      },
    });
    const writer = openRows(out, format, [{ name: 'a' }, { name: 'b' }]);
    for (const rows of parts) writer.add(rows);
    writer.end();
    return text;
  }

  it('are one array, and one text with one head, however they are cut into parts', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.tuple(fc.nat(), fc.string()))), (parts) => {
        const rows = parts.flat();
        assert.deepEqual(
          JSON.parse(write('json', parts)),
          rows.map(([a, b]) => ({ a, b })),
        );
        assert.equal(write('csv', parts), write('csv', [rows]));
      }),
    );
    assert.equal(write('json', []), '[]\n');
    assert.equal(write('csv', [[]]), 'a,b\n');
  });
});
