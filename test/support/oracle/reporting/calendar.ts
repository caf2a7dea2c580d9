// Days and hours of a time zone for an oracle. They come from ICU, which has its own time zone database.
const MINUTE = 60_000_000n;
export const HOUR = 60n * MINUTE;

export type Calendar = ReturnType<typeof createCalendar>;

/** Instants are microseconds since 1970. */
export function createCalendar(zone: string) {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    minute: '2-digit',
  });
  const starts = new Map<string, bigint>();

  function partsOf(at: bigint): { day: string; minute: number } {
    const parts = Object.fromEntries(
      format.formatToParts(Number(at / 1000n)).map(({ type, value }) => [type, value]),
    );
    return { day: `${parts['year']}-${parts['month']}-${parts['day']}`, minute: Number(parts['minute']) };
  }

  const dayOf = (at: bigint) => partsOf(at).day;

  /** The first instant with a local date not before the day. Found by halving, so clock changes do not matter. */
  function startOf(day: string): bigint {
    const known = starts.get(day);
    if (known !== undefined) return known;
    const noon = BigInt(Date.parse(`${day}T12:00:00Z`)) * 1000n;
    let before = noon - 36n * HOUR;
    let after = noon + 36n * HOUR;
    while (after - before > 1n) {
      const middle = (before + after) / 2n;
      if (dayOf(middle) >= day) after = middle;
      else before = middle;
    }
    starts.set(day, after);
    return after;
  }

  function next(day: string): string {
    return new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
  }

  return {
    zone,
    dayOf,
    /** Every day from the day of `first` to the day of `last`. */
    days(first: bigint, last: bigint): { day: string; from: bigint; to: bigint }[] {
      const days = [];
      for (let day = dayOf(first); day <= dayOf(last); day = next(day))
        days.push({ day, from: startOf(day), to: startOf(next(day)) });
      return days;
    },
    /** The instant at which the local hour of `at` began. */
    hourOf: (at: bigint) => at - (at % MINUTE) - BigInt(partsOf(at).minute) * MINUTE,
  };
}
