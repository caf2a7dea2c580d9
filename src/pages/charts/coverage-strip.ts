// How reliable each day is, as a strip. A full bar: all expected snapshots were written and complete. Half a bar: a
// snapshot was partial. A hatched bar: a slot was missed. No bar: there was no snapshot.
import { html } from 'hono/html';
import { missedOf } from '../../answers/pages/coverage.ts';
import type { CoverageDay } from '../../queries/runs/coverage.ts';
import type { Html } from '../page.ts';

export type DayState = 'whole' | 'partial' | 'missed' | 'none';

/** Pure. The gravest state counts. */
export function stateOf(day: CoverageDay): DayState {
  if (day.complete_count + day.partial_count === 0) return 'none';
  if (missedOf(day) > 0) return 'missed';
  return day.partial_count > 0 ? 'partial' : 'whole';
}

const WORDS: Readonly<Record<DayState, string>> = {
  whole: 'complete',
  partial: 'with a partial snapshot',
  missed: 'with a missed slot',
  none: 'without a snapshot',
};

/** Up to this number of days, each is as wide as a finger, not stretched to the page. */
const FEW = 14;

export function coverageStrip(days: readonly CoverageDay[], says: string): Html {
  const width = 100 / Math.max(days.length, 1);
  const gap = days.length > 150 ? 0 : Math.min(width * 0.2, 0.3);
  const place = (nth: number) => ({ x: (nth * width).toFixed(2), width: (width - gap).toFixed(2) });
  // Most days are whole. One path for all of them keeps the page small.
  const whole = days.flatMap((day, nth) => (stateOf(day) === 'whole' ? [place(nth)] : []));
  const path = whole.map(({ x, width }) => `M${x} 0h${width}v1h-${width}z`).join('');
  const others = days.flatMap((day, nth) => (stateOf(day) === 'whole' ? [] : [other(day, place(nth))]));
  return html`<svg class="strip ${days.length > FEW ? '' : 'few'}" role="img" aria-label="${says}">
    <svg viewBox="0 0 100 1" preserveAspectRatio="none"><path class="whole" d="${path}" /></svg>
    ${others}
  </svg>`;
}

function other(day: CoverageDay, { x, width }: { x: string; width: string }): Html {
  const state = stateOf(day);
  const [y, height] = state === 'partial' ? ['50%', '50%'] : ['0', '100%'];
  const fill = state === 'missed' ? html`fill="url(#hatch)"` : '';
  return html`<rect class="${state}" x="${x}%" width="${width}%" y="${y}" height="${height}" ${fill}
    ><title>${day.day}: ${WORDS[state]}</title></rect
  >`;
}
