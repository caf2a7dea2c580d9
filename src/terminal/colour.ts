// Colours of levels and findings, for people who want them. JSON and CSV never have any.
import { styleText } from 'node:util';
import { RISK_LEVELS } from '../user-risk.ts';
import type { Terminal } from './wrap.ts';

const STYLES = {
  high: 'red',
  medium: 'yellow',
  low: 'green',
  cleared: 'dim',
  ok: 'green',
  warning: 'yellow',
  failed: 'red',
  skipped: 'dim',
} as const;
export type Painted = keyof typeof STYLES;

/** Gives a text the colour of its meaning. */
export type Paint = (what: Painted, text: string) => string;

export const plain: Paint = (_what, text) => text;

/**
 * FORCE_COLOR (not 0 or false) has priority, as in Node. Otherwise colours appear only on a terminal, and not with
 * NO_COLOR (https://no-color.org) or TERM=dumb.
 */
export function wantsColour({ stdout, source }: Terminal): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no = '', TERM: term } = source.env;
  if (force !== undefined) return force !== '0' && force !== 'false';
  return stdout.isTTY === true && no === '' && term !== 'dumb';
}

export function painter(io: Terminal): Paint {
  return wantsColour(io) ? (what, text) => styleText(STYLES[what], text, { validateStream: false }) : plain;
}

/** The colour of a cell that holds a level, such as "high" or "high*". */
export function paintLevel(paint: Paint): (text: string) => string {
  return (text) => {
    const level = LEVELS.find((one) => text.startsWith(one));
    return level === undefined ? text : paint(level, text);
  };
}

const LEVELS = [...RISK_LEVELS, 'cleared'] as const;

/** Colours every level that a sentence of this program names. Not for text from outside. */
export function paintLevels(paint: Paint, text: string): string {
  return text.replace(/\b(?:high|medium|low)\b/g, (level) => paint(level as Painted, level));
}
