import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { keyedHash, randomHashKey, type HashKey } from '../src/keyed-hash.ts';

// Published with HalfSipHash: the key is 00 01 … 07, the input is 00 01 … of this length, the output has 64 bits.
const PUBLISHED: [length: number, output: string][] = [
  [0, '218d1f59b9b83cc8'],
  [1, 'be552412f8387315'],
  [2, '064f39ef7c50eb57'],
  [3, 'ce0f1a45f7060679'],
  [4, 'd5e78a175be52ea1'],
  [5, 'cb9d7c3f2f3db580'],
  [7, 'ff202728b07bc684'],
  [8, 'edfee820bce4858c'],
  [15, '217d0bcb4e81c902'],
  [16, '7336aad25f7bf3b5'],
  [31, '863c7f155c34117c'],
  [32, '28709d46d811626c'],
  [45, '697f5c9a90324ed4'],
  [62, 'f90b3ab572d46693'],
  [63, '2ea63c71bf326087'],
];
const PUBLISHED_KEY: HashKey = { k0: 0x0302_0100, k1: 0x0706_0504 };

const anyWord = fc.integer({ min: 0, max: 0xffff_ffff });
const anyKey = fc.record({ k0: anyWord, k1: anyWord });

function hashOf(key: HashKey, bytes: Uint8Array, from = 0, to = bytes.length): [number, number] {
  const out = new Uint32Array(2);
  keyedHash(key, bytes, from, to, out, 0);
  return [...out] as [number, number];
}

describe('keyedHash', () => {
  const input = Uint8Array.from({ length: 64 }, (_, position) => position);
  for (const [length, output] of PUBLISHED) {
    test(`gives the published hash of ${length} bytes`, () => {
      const bytes = Buffer.alloc(8);
      const [first, second] = hashOf(PUBLISHED_KEY, input, 0, length);
      bytes.writeUInt32LE(first, 0);
      bytes.writeUInt32LE(second, 4);
      assert.equal(bytes.toString('hex'), output);
    });
  }

  test('reads only the given range, and writes only two words', () => {
    const part = fc.uint8Array({ maxLength: 600 });
    fc.assert(
      fc.property(anyKey, part, part, part, fc.nat(3), (key, before, middle, behind, at) => {
        const out = new Uint32Array(6).fill(7);
        const whole = Buffer.concat([before, middle, behind]);
        keyedHash(key, whole, before.length, before.length + middle.length, out, at);
        const expected = new Uint32Array(6).fill(7);
        expected.set(hashOf(key, middle), at);
        assert.deepEqual(out, expected);
      }),
    );
  });

  test('changes when any one byte changes', () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(anyKey, bytes, fc.integer({ min: 1, max: 255 }), (key, bytes, change) => {
        const before = hashOf(key, bytes);
        for (let position = 0; position < bytes.length; position++) {
          const changed = bytes.map((byte, index) => (index === position ? byte ^ change : byte));
          assert.notDeepEqual(hashOf(key, changed), before);
        }
      }),
    );
  });

  test('changes when a zero is appended', () => {
    fc.assert(
      fc.property(anyKey, fc.uint8Array({ maxLength: 80 }), (key, bytes) => {
        assert.notDeepEqual(hashOf(key, Uint8Array.of(...bytes, 0)), hashOf(key, bytes));
      }),
    );
  });

  test('changes when any one bit of the key changes', () => {
    fc.assert(
      fc.property(anyKey, fc.uint8Array({ maxLength: 80 }), ({ k0, k1 }, bytes) => {
        const before = hashOf({ k0, k1 }, bytes);
        for (let bit = 0; bit < 32; bit++) {
          assert.notDeepEqual(hashOf({ k0: (k0 ^ (1 << bit)) >>> 0, k1 }, bytes), before);
          assert.notDeepEqual(hashOf({ k0, k1: (k1 ^ (1 << bit)) >>> 0 }, bytes), before);
        }
      }),
    );
  });

  test('gives 100,000 counted inputs as many different hashes, and each half nearly as many', () => {
    const key = { k0: 1, k1: 2 };
    const hashes = new Set<string>();
    const halves = [new Set<number>(), new Set<number>()] as const;
    for (let n = 0; n < 100_000; n++) {
      const [first, second] = hashOf(key, Buffer.from(`user-${n}@example.com`));
      hashes.add(`${first}:${second}`);
      halves[0].add(first);
      halves[1].add(second);
    }
    assert.equal(hashes.size, 100_000);
    // By chance, about one pair of 32-bit words collides.
    assert.ok(halves.every((half) => half.size > 99_980));
  });
});

test('randomHashKey returns a different key of two unsigned words each time', () => {
  const keys = Array.from({ length: 100 }, randomHashKey);
  for (const { k0, k1 } of keys) {
    assert.equal(k0 >>> 0, k0);
    assert.equal(k1 >>> 0, k1);
  }
  assert.equal(new Set(keys.map(({ k0, k1 }) => `${k0}:${k1}`)).size, keys.length);
});
