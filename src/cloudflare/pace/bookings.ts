// The times of the requests that were sent, and of those that wait. Requests keep their order: none is sent before one
// that was booked earlier.

export type Booking = { at: number; gone: boolean };

export type Bookings = {
  /** Drops the requests that were sent at `horizon` or before, except the newest one. */
  forget(horizon: number): void;
  /** Books for `earliest`, or for the time of the newest booking if that is later. */
  add(earliest: number): Booking;
  cancel(booking: Booking): void;
  /** A timer may be late: the time that counts is when the request is sent. No later request is sent earlier. */
  depart(booking: Booking, now: number): void;
  /** Ascending. */
  starts(): number[];
  /** The number of requests that have not been sent yet. */
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
