// How large a body may be, and each of its parts. An account of 1,000,000 users in one answer takes 250 to 300 MB.

const KIB = 1024;
const MIB = 1024 * KIB;

export type BodyLimits = {
  /** A body of the summary that is longer is not held: its records are handed on while it comes. */
  heldBytes: number;
  /** No summary is longer. */
  summaryBytes: number;
  /** Any other answer is held whole, so it may not be as long. */
  otherBytes: number;
  /** Of a failed answer, only the errors or the first words matter. */
  errorBytes: number;
  /** One record of a streamed body. */
  recordBytes: number;
  /** All of a streamed body but its records. */
  envelopeBytes: number;
  /** Brackets within brackets in a streamed body. */
  depth: number;
  /** Records of a streamed body that are parsed together. */
  batchBytes: number;
  /** A streamed body must come at this rate at least: every byte of it puts the page's deadline off. */
  bytesPerSecond: number;
};

export const BODY_LIMITS: BodyLimits = {
  // 16,000 users: parsed, they take 5 MB more, and four pages may be under way.
  heldBytes: 4 * MIB,
  // Three to four times what a million users take. Memory does not depend on it; only an endless body needs a limit.
  summaryBytes: 1024 * MIB,
  // A user's own record lists events: tens of thousands fit.
  otherBytes: 16 * MIB,
  errorBytes: 64 * KIB,
  // Eight times the longest record that could be accepted, with every character escaped.
  recordBytes: MIB,
  // Errors, messages and totals take a few hundred bytes.
  envelopeBytes: MIB,
  // The answer as documented nests four deep. A million brackets would cost nothing to send, and much to parse.
  depth: 1_000,
  // 300 records: one by one they take half as long again, and larger batches gain nothing.
  batchBytes: 64 * KIB,
  // A million users then have 20 minutes, while a body that drips is refused after `pageMs`.
  bytesPerSecond: 256 * KIB,
};
