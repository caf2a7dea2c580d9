// Finds the instant in the name of a file. Pure. A wrong time would distort the history. So only an unambiguous name
// counts, and for a time without a zone a person must name the zone.
import { comesTwice, instantOfWall } from '../time/zones.ts';

export type NamedInstant =
  | { kind: 'instant'; at: Date }
  | { kind: 'none' }
  /** A date or a time without a zone, and no zone was given. */
  | { kind: 'no_zone'; text: string }
  /**
   * Several different instants, an hour that clocks show twice, or digits that may be a part of the time or the number
   * of a page.
   */
  | { kind: 'unclear'; text: string };

// Digits and letters around it would make it a part of something else, such as an id.
const DATE = /(?<![0-9A-Za-z])(20\d\d)([-._]?)(\d\d)\2(\d\d)/g;
// With the separators that people use where a file system forbids the colon.
const SEPARATED = /^(?:[tT]|[ _.-])(\d\d)([:._-]|[hH])(\d\d)(?:(?:\2|[mM])(\d\d)(?!\d)(?:[.,](\d{1,9}))?)?/;
const COMPACT = /^(?:[tT]|[ _-])?(\d\d)()(\d\d)(?:(\d\d)(?:[.,](\d{1,9}))?)?(?!\d)/;
const HOUR = /^[tT](\d\d)(?=[zZ]|[+-]\d\d:\d\d)/;
const ZONE = /^[ _]?(?:([zZ]|UTC|utc|GMT)(?![A-Za-z])|([+-]\d\d:?\d\d)(?!\d))/;
// Seconds and milliseconds since 1970, from September 2001 to May 2033. A date cannot begin with a 1.
const EPOCH = /(?<![0-9A-Za-z])(1\d{9}|1\d{12})(?![0-9A-Za-z])/g;

const MINUTE_MS = 60_000;

/** `timezone`: the zone of times and dates without a zone. Null: not given. A date alone is the start of its day. */
export function instantInName(name: string, timezone: string | null): NamedInstant {
  const text = name.replace(/%3A/gi, ':').replace(/[\uA789\uFF1A\u2236]/g, ':');
  const moments = [...text.matchAll(DATE)].map((date) => readMoment(date, text, timezone));
  const epochs = [...text.matchAll(EPOCH)].map(([, digits = '']): NamedInstant => {
    return { kind: 'instant', at: new Date(Number(digits) * (digits.length === 10 ? 1000 : 1)) };
  });
  const found = [...moments, ...epochs].filter(({ kind }) => kind !== 'none');
  const [first] = found;
  if (first === undefined) return { kind: 'none' };
  const told = new Set(found.map((one) => JSON.stringify(one)));
  return told.size === 1 ? first : { kind: 'unclear', text: name };
}

function readMoment(date: RegExpExecArray, text: string, timezone: string | null): NamedInstant {
  const [whole, year, , month, day] = date;
  const rest = text.slice(date.index + whole.length);
  const time = SEPARATED.exec(rest) ?? COMPACT.exec(rest) ?? HOUR.exec(rest);
  const [said = '', hour = '00', , minute = '00', second = '00', fraction = '0'] = time ?? [];
  const zone = time === null ? null : ZONE.exec(rest.slice(said.length));
  const tail = rest.slice(said.length + (zone?.[0].length ?? 0));
  const read = whole + said + (zone?.[0] ?? '');
  const unclear = { kind: 'unclear', text: read + (/^[^. ]*/.exec(tail)?.[0] ?? '') } as const;
  if (isUnclear({ hasTime: time !== null, offset: zone?.[2] ?? null, hasZone: zone !== null, tail }))
    return unclear;
  const milliseconds = fraction.padEnd(3, '0').slice(0, 3);
  const wall = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}Z`);
  // Date.parse reads the 30th of February as the 2nd of March, and 24:00 as the next day.
  if (Number.isNaN(wall) || new Date(wall).getUTCDate() !== Number(day)) return { kind: 'none' };
  if (zone !== null) return { kind: 'instant', at: new Date(wall - offsetOf(zone[2])) };
  if (timezone === null) return { kind: 'no_zone', text: read };
  // The start of a day is one moment, also if its first hour occurs twice.
  if (time !== null && comesTwice(wall, timezone)) return unclear;
  return { kind: 'instant', at: new Date(instantOfWall(wall, timezone)) };
}

type TimeInName = { hasTime: boolean; hasZone: boolean; offset: string | null; tail: string };

function isUnclear({ hasTime, hasZone, offset, tail }: TimeInName): boolean {
  if (/^[0-9A-Za-z]/.test(tail)) return true;
  // "-0500" after a time may be an offset, or the number of a page.
  if (offset !== null) return /^-\d{4}$/.test(offset);
  if (hasZone) return false;
  if (hasTime) return /^[+-](?:0\d|1[0-4]):?(?:00|15|30|45)(?!\d)/.test(tail);
  // After a date, two digits may be an hour or a page. One or three digits can only be a page.
  return /^[._ -]+(?:[tT]\d|\d\d(?!\d)|\d{4})/.test(tail);
}

function offsetOf(offset: string | undefined): number {
  if (offset === undefined) return 0;
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(-2));
  return minutes * MINUTE_MS * (offset.startsWith('-') ? -1 : 1);
}
