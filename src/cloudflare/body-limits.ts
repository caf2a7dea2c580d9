// The size limits of a body and of its parts. One answer with 1,000,000 users takes 250 to 300 MB.

const KIB = 1024;
const MIB = 1024 * KIB;

export type BodyLimits = {
  /** A longer summary is not held: its records are handed on as they arrive. */
  heldBytes: number;
  /** A longer summary is refused. */
  summaryBytes: number;
  /**
   * Limit of any other answer, such as a user's own record. The limit is low, because such an answer is held and parsed
   * whole.
   */
  otherBytes: number;
  /** Limit of a failed answer: only its errors or its first words matter. */
  errorBytes: number;
  /** One record of a streamed body. */
  recordBytes: number;
  /** A streamed body without its records. */
  envelopeBytes: number;
  /**
   * Nested brackets in a record, or in an answer without its records. A record that nests deeper is rejected. If any
   * other part nests deeper, the whole answer is unreadable.
   */
  depth: number;
  /** The records of a streamed body are parsed in batches of this size. */
  batchBytes: number;
  /** The slowest rate allowed for a streamed body: each byte that arrives extends the deadline of the page. */
  bytesPerSecond: number;
};

export const BODY_LIMITS: BodyLimits = {
  // A page of 1,000 users. Parsing a hostile text such as {},{} takes twenty times its size. Rejecting each of its
  // records takes two seconds, and no heartbeat is sent during that time.
  heldBytes: 256 * KIB,
  // Three to four times the size of a million users. Memory does not depend on it: the limit stops an endless body.
  summaryBytes: 1024 * MIB,
  // A user's own record lists events: more than ten thousand fit. Four such answers may be under way.
  otherBytes: 2 * MIB,
  errorBytes: 64 * KIB,
  // Eight times the longest record that could be accepted, with every character escaped.
  recordBytes: MIB,
  // Errors, messages and totals take a few hundred bytes.
  envelopeBytes: MIB,
  // The documented answer nests four levels deep. JSON.parse takes 53 bytes for each open bracket.
  depth: 1_000,
  // 300 records. Parsing them one by one takes 1.5 times as long; larger batches gain nothing.
  batchBytes: 64 * KIB,
  // At this rate, a million users may take 20 minutes. A body that trickles in more slowly is refused after `pageMs`.
  bytesPerSecond: 256 * KIB,
};
