// Seeded random values that cost a few nanoseconds each: a hash over numbers, a 32-bit generator, and ids made of both.
// Not for secrets.

/** The whole state of a generator, so that each life can hold its own. */
export type Rng = { state: number };

/** Mixes numbers (taken as 32-bit integers) into one unsigned 32-bit number. */
export function hash(...parts: number[]): number {
  let h = 0x9e3779b9;
  for (const part of parts) h = scramble(h ^ scramble((part | 0) + 0x6d2b79f5));
  return h >>> 0;
}

// The finaliser of murmur3.
function scramble(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** At least 0 and below 1 (mulberry32). */
export function uniform(rng: Rng): number {
  rng.state = (rng.state + 0x6d2b79f5) | 0;
  let t = Math.imul(rng.state ^ (rng.state >>> 15), 1 | rng.state);
  t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

/** The time until the next of random events that are `mean` apart on average. */
export function exponential(rng: Rng, mean: number): number {
  return -Math.log(1 - uniform(rng)) * mean;
}

/** Mean 0, deviation 1. */
export function normal(rng: Rng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - uniform(rng)));
  return radius * Math.cos(2 * Math.PI * uniform(rng));
}

/** Looks like a version 4 uuid; the same key gives the same id. */
export function uuid(...key: number[]): string {
  const digits = [1, 2, 3, 4].map((word) => hex8(hash(...key, word))).join('');
  const variant = '89ab'.charAt(Number.parseInt(digits.charAt(16), 16) & 3);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `4${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20),
  ].join('-');
}

/** A uuid that hides a number in its last eight digits. Only `readSealed` can read the number. */
export function sealedUuid(seed: number, sealed: number, ...key: number[]): string {
  const open = uuid(seed, sealed, ...key).slice(0, 28);
  return open + hex8((sealed ^ hashText(seed, open)) >>> 0);
}

/**
 * The number that `sealedUuid` hid. Any other uuid gives an arbitrary number, so the caller must compare the whole id.
 */
export function readSealed(seed: number, id: string): number {
  return (Number.parseInt(id.slice(28), 16) ^ hashText(seed, id.slice(0, 28))) >>> 0;
}

function hashText(seed: number, text: string): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return scramble(h);
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}
