// How a person wants to see an answer: width, time zone, colours.
import { minute } from '../time/when.ts';
import { painter, type Paint } from './colour.ts';
import { widthOf, wrap, type Terminal } from './wrap.ts';

export type View = {
  /** Columns of a line. Tables may use all of them. */
  width: number;
  /** The same, but at most 120: longer sentences are hard to read. */
  textWidth: number;
  timezone: string;
  paint: Paint;
  /** For a line on stderr. */
  notice: (text: string) => string;
  /** "2026-03-01 09:00 UTC" */
  time: (at: Date | string) => string;
};

const WIDEST_TEXT = 120;

export function viewOf(io: Terminal, timezone: string): View {
  const width = widthOf(io);
  return {
    width,
    textWidth: Math.min(width, WIDEST_TEXT),
    timezone,
    paint: painter(io),
    notice: (text) => `${wrap(text, 2, width)}\n`,
    time: (at) => minute(at, timezone),
  };
}
