// JSON of any shape, also of the shape of a summary, written in any way that JSON allows.
import fc from 'fast-check';
import { BODY_LIMITS } from '../../../src/cloudflare/body-limits.ts';
import { anyText } from '../world/any-text.ts';

/** JSON with the entries in the given order, so that a key may appear twice. */
type Tree =
  | { kind: 'value'; value: unknown }
  | { kind: 'list'; items: Tree[] }
  | { kind: 'object'; entries: [string, Tree][] };

/** JSON written in unusual ways: white space anywhere, any character escaped. `odd` gives a number from 0 to 1. */
function write(tree: Tree, odd: () => number): string {
  const space = () => (odd() < 0.2 ? [' ', '\n', '\t', '\r\n '][Math.floor(odd() * 4)]! : '');
  const quoted = (text: string) => {
    let out = '"';
    for (let at = 0; at < text.length; at++) {
      const plain = JSON.stringify(text[at]).slice(1, -1);
      const escaped = `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
      out += odd() < 0.1 ? escaped : text[at] === '/' && odd() < 0.5 ? '\\/' : plain;
    }
    return `${out}"`;
  };
  const text = (node: Tree): string => {
    if (node.kind === 'list') return `[${space()}${node.items.map(text).join(',')}]`;
    if (node.kind === 'object') {
      const entries = node.entries.map(([key, value]) => `${space()}${quoted(key)}${space()}:${text(value)}`);
      return `{${entries.join(',')}${space()}}`;
    }
    return typeof node.value === 'string' ? quoted(node.value) : JSON.stringify(node.value);
  };
  const spaced = (node: Tree): string => `${space()}${text(node)}${space()}`;
  return spaced(tree);
}

function oddsFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d);
    state ^= state << 13;
    return (state >>> 0) / 2 ** 32;
  };
}

const value = (over: unknown): Tree => ({ kind: 'value', value: over });
const words = fc.oneof(
  fc.constantFrom(
    'users',
    'result',
    'success',
    'user_id',
    '',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\"',
  ),
  anyText({ maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
);
const leaf = fc.oneof(words, fc.constantFrom(null, true, false, 0, -1.5e-7, 1e21), fc.integer()).map(value);
const anything: fc.Arbitrary<Tree> = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    { weight: 4, arbitrary: leaf },
    {
      weight: 1,
      arbitrary: fc.array(tie('tree'), { maxLength: 3 }).map((items): Tree => ({ kind: 'list', items })),
    },
    {
      weight: 1,
      arbitrary: fc
        .array(fc.tuple(words, tie('tree')), { maxLength: 3 })
        .map((entries): Tree => ({ kind: 'object', entries })),
    },
  ),
})).tree;
const user: fc.Arbitrary<Tree> = fc.tuple(fc.uuid(), words, anything).map(([id, name, more]) => ({
  kind: 'object',
  entries: [
    ['user_id', value(id)],
    ['name', value(name)],
    ['more', more],
  ],
}));
const list = (items: fc.Arbitrary<Tree>, maxLength: number) =>
  fc.array(items, { maxLength }).map((all): Tree => ({ kind: 'list', items: all }));
const users = fc.oneof(
  { weight: 8, arbitrary: list(user, 8) },
  { weight: 2, arbitrary: list(anything, 4) },
  { weight: 1, arbitrary: anything },
);
/** In any order, with some of them left out. */
const entriesOf = (parts: [string, fc.Arbitrary<Tree>][], extra: number) =>
  fc
    .tuple(
      fc.tuple(
        ...parts.map(([key, tree]) => fc.tuple(fc.constant(key), tree, fc.integer({ min: 0, max: 9 }))),
      ),
      fc.array(fc.tuple(words, anything, fc.integer({ min: 0, max: 9 })), { maxLength: extra }),
    )
    .map(([known, others]) =>
      [...known, ...others]
        .filter(([, , place]) => place > 0)
        .toSorted((a, b) => a[2] - b[2])
        .map(([key, tree]): [string, Tree] => [key, tree]),
    );
const object = (entries: fc.Arbitrary<[string, Tree][]>) =>
  entries.map((all): Tree => ({ kind: 'object', entries: all }));
const result = fc.oneof(
  { weight: 8, arbitrary: object(entriesOf([['users', users]], 2)) },
  { weight: 1, arbitrary: anything },
);
const envelope = fc.oneof(
  {
    weight: 12,
    arbitrary: object(
      entriesOf(
        [
          ['success', fc.constantFrom(true, true, true, false, null).map(value)],
          ['errors', list(anything, 2)],
          ['result', result],
          [
            'result_info',
            fc.oneof(
              fc.nat().map((total): Tree => ({ kind: 'object', entries: [['total_count', value(total)]] })),
              anything,
            ),
          ],
        ],
        2,
      ),
    ),
  },
  { weight: 1, arbitrary: list(result, 2) },
  { weight: 1, arbitrary: anything },
);

/** `result`, or `users` in it, appears twice: JSON.parse takes the last one, the scanner refuses both. */
function isDoubled(tree: Tree): boolean {
  if (tree.kind !== 'object') return false;
  const results = tree.entries.filter(([key]) => key === 'result');
  const inner = results[0]?.[1];
  return (
    results.length > 1 ||
    (inner?.kind === 'object' && inner.entries.filter(([key]) => key === 'users').length > 1)
  );
}

export const document = fc.tuple(envelope, fc.integer()).map(([tree, seed]) => ({
  bytes: Buffer.from(write(tree, oddsFrom(seed))),
  doubled: isDoubled(tree),
}));
export const lengths = fc.oneof(
  fc.constantFrom([], [1]),
  fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
);
export const batchBytes = fc.constantFrom(1, 20, 200, BODY_LIMITS.batchBytes);
export const piece = fc.oneof(
  fc.constantFrom(...'{}[],:"\\ x0-u').map((char) => Buffer.from(char)),
  fc
    .constantFrom('null', '[]', '{}', ',,', '"users":[', '"result":{', '\ufeff', 'é')
    .map((text) => Buffer.from(text)),
  fc
    .constantFrom([0x80], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xff], [0])
    .map((bytes) => Buffer.from(bytes)),
);
