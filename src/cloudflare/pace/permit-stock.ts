// Permits that are reserved and not used yet, in chunks as they were reserved. Each chunk is valid for a time. The size
// of the next chunk depends on how the last ones were used.
import { FIRST_CHUNK, nextChunk } from './permit-rules.ts';

export type Chunk = {
  left: number;
  /** From when and until when its requests may be sent. */
  from: number;
  until: number;
  /** Where to give back what is not used. */
  of: { identity: string; windowMs: number; slice: number };
};

export type PermitStock = {
  /** How many permits to reserve next. */
  size(): number;
  add(chunk: Chunk): void;
  /** The chunk that is used now. */
  first(): Chunk | undefined;
  /** Uses one permit of the first chunk. There must be one. */
  spend(): void;
  /** The last chunk is almost used up, and the ones before it were. */
  isRunningOut(): boolean;
  /** Takes out the chunks whose time is over. */
  takeExpired(time: number): readonly Chunk[];
  takeAll(): readonly Chunk[];
};

const NONE: readonly Chunk[] = [];

export function createPermitStock(): PermitStock {
  let chunks: Chunk[] = [];
  let size = FIRST_CHUNK;
  return {
    size: () => size,
    add(chunk) {
      chunks.push(chunk);
    },
    first: () => chunks[0],
    spend() {
      const first = chunks[0]!;
      first.left -= 1;
      if (first.left > 0) return;
      chunks.shift();
      size = nextChunk(size, true);
    },
    isRunningOut: () => chunks.length === 1 && size > FIRST_CHUNK && chunks[0]!.left <= size / 4,
    takeExpired(time) {
      if (chunks.every(({ until }) => until > time)) return NONE;
      const expired = chunks.filter(({ until }) => until <= time);
      chunks = chunks.filter(({ until }) => until > time);
      size = nextChunk(size, false);
      return expired;
    },
    takeAll() {
      const unused = chunks;
      chunks = [];
      if (unused.length > 0) size = FIRST_CHUNK;
      return unused;
    },
  };
}
