// When requests went, and when those that wait will go. They keep their order: nobody goes before whoever booked earlier.

export type Booking = { at: number; gone: boolean };

export type Bookings = {
  /** Drops what went at `horizon` or before, but for the newest. */
  forget(horizon: number): void;
  /** For `earliest`, or when the newest one goes, if that is later. */
  add(earliest: number): Booking;
  cancel(booking: Booking): void;
  /** A timer may have been late: what counts is when the request goes. Nobody behind it goes earlier. */
  depart(booking: Booking, now: number): void;
  /** Ascending. */
  starts(): number[];
  /** Those that have not gone yet. */
  waiting(): number;
};

export function createBookings(): Bookings {
  /** Ascending. */
  const bookings: Booking[] = [];
  return {
    forget(horizon) {
      while (bookings.length > 1 && bookings[0]!.gone && bookings[0]!.at <= horizon) bookings.shift();
    },
    add(earliest) {
      const last = bookings.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
      const booking = { at: Math.max(earliest, last), gone: false };
      bookings.push(booking);
      return booking;
    },
    cancel(booking) {
      bookings.splice(bookings.lastIndexOf(booking), 1);
    },
    depart(booking, now) {
      booking.gone = true;
      const at = Math.max(booking.at, now);
      for (let i = bookings.lastIndexOf(booking); i < bookings.length && bookings[i]!.at < at; i++)
        bookings[i]!.at = at;
    },
    starts: () => bookings.map(({ at }) => at),
    waiting: () => bookings.filter(({ gone }) => !gone).length,
  };
}
