// How records leave the client: one by one, to a reader that the caller opens. No answer is kept as a list.

/**
 * Takes the records of one answer as they arrive. Each attempt gets a fresh reader, so a retry drops what a broken
 * attempt had read.
 */
export type RecordReader<T> = {
  /** One record as served, unchecked. */
  add(record: unknown): void;
  /** Called once, after the last record, when the whole answer is known to be valid. */
  end(): T;
};

export type OpenReader<T> = () => RecordReader<T> | Promise<RecordReader<T>>;

/** A record that nests deeper than BodyLimits allow. The part that is too deep was left out, unread. */
export class DeepRecord {
  readonly rest: unknown;
  constructor(rest: unknown) {
    this.rest = rest;
  }
}

/** Keeps the first `most` records. */
export function collectRecords(most = Number.POSITIVE_INFINITY): RecordReader<unknown[]> {
  const records: unknown[] = [];
  return {
    add(record) {
      if (records.length < most) records.push(record);
    },
    end: () => records,
  };
}
