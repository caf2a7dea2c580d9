// Text of any characters. fast-check's own `binary` unit costs each process a second, because it lists all of Unicode.
import fc from 'fast-check';

/** Characters of one, two, three (on both sides of the surrogates) and four bytes in UTF-8, equally often. */
const character = fc
  .oneof(
    fc.integer({ min: 0, max: 0x7f }),
    fc.integer({ min: 0x80, max: 0x7ff }),
    fc.integer({ min: 0x800, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0xffff }),
    fc.integer({ min: 0x10000, max: 0x10ffff }),
  )
  .map((point) => String.fromCodePoint(point));

/** Lengths are in characters, not in UTF-16 units. */
export function anyText(lengths: { minLength?: number; maxLength?: number } = {}): fc.Arbitrary<string> {
  return fc.string({ unit: character, ...lengths });
}
