// How records leave the client: one by one, to whoever knows what to do with them. No answer is kept as a list.

/** Takes the records of one answer as they come. A fresh one serves each attempt, so a retry drops what a broken attempt had read. */
export type RecordReader<T> = {
  /** One record as served, unchecked. */
  add(record: unknown): void;
  /** Called once, after the last record, when the whole answer is known to be valid. */
  end(): T;
};

export type OpenReader<T> = () => RecordReader<T> | Promise<RecordReader<T>>;

/** Keeps the first records, for those who want to look at a few. */
export function collectRecords(most = Number.POSITIVE_INFINITY): RecordReader<unknown[]> {
  const records: unknown[] = [];
  return {
    add(record) {
      if (records.length < most) records.push(record);
    },
    end: () => records,
  };
}
