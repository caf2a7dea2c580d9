// The part of Postgres' wire protocol that a proxy must read: where a client's message ends, and which SQL it carries.

export type Message = { type: string | null; bytes: Buffer };

/** One reader per connection: takes pieces as they come, and returns the messages that are complete. */
export function createMessageReader(): (piece: Buffer) => Message[] {
  let pending: Buffer = Buffer.alloc(0);
  let started = false;
  return (piece) => {
    pending = Buffer.concat([pending, piece]);
    const whole: Message[] = [];
    for (;;) {
      // The first message has no type byte.
      const header = started ? 1 : 0;
      if (pending.length < header + 4) return whole;
      const length = header + pending.readInt32BE(header);
      if (pending.length < length) return whole;
      whole.push({
        type: started ? String.fromCharCode(pending[0] ?? 0) : null,
        bytes: pending.subarray(0, length),
      });
      pending = pending.subarray(length);
      started = true;
    }
  };
}

/** The SQL of a simple or prepared query; "copy data" for the data of a COPY; null for everything else. */
export function textOf({ type, bytes }: Message): string | null {
  if (type === 'd') return 'copy data';
  if (type === 'Q') return bytes.toString('utf8', 5, bytes.length - 1);
  if (type !== 'P') return null;
  const start = bytes.indexOf(0, 5) + 1;
  return bytes.toString('utf8', start, bytes.indexOf(0, start));
}
