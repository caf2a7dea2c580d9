// Decides whether an answer is still the same: nothing was written, and the question and the asker's rights are the
// same. If the answer depends on the time, the hour must also be the same. So a repeated request costs one row. Pure.
import { createHash } from 'node:crypto';

export type TaggedRequest = {
  /** Path and parameters. */
  address: string;
  form: 'json' | 'csv';
  /** Who asks: rights differ. */
  role: string;
  version: string;
  /** The answer changes as time passes. */
  isOfNow: boolean;
};

/** Weak: it promises the same rows, not the same bytes. */
export function entityTag(asked: TaggedRequest, clock: { written: string; hour: number }): string {
  const { address, form, role, version, isOfNow } = asked;
  const text = JSON.stringify([clock.written, version, role, form, address, isOfNow ? clock.hour : null]);
  return `W/"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
}

/** Whether the client has this answer. */
export function isKnown(tag: string, ifNoneMatch: string | undefined): boolean {
  const given = (ifNoneMatch ?? '').split(',').map((one) => one.trim());
  // A proxy that compresses may have made a strong tag of it, or the other way round.
  const bare = (one: string) => one.replace(/^W\//, '');
  return given.includes('*') || given.some((one) => bare(one) === bare(tag));
}
