// How many periods ended after which time: one row of bars for each way to end, on one axis, with the target as a line.
// Widths are percentages, so the same picture fits a phone and a wide screen.
import { html } from 'hono/html';
import type { DurationStep } from '../../queries/response/response-distribution.ts';
import { plural } from '../../words.ts';
import type { Html } from '../page.ts';
import { number } from '../parts.ts';

export const ENDINGS = ['lowered', 'reset', 'absent'] as const;
export type Ending = (typeof ENDINGS)[number];

export const ENDING_WORDS: Readonly<Record<Ending, string>> = {
  lowered: 'to medium or low',
  reset: 'by an administrator',
  absent: 'from the list',
};

export function durationBars(steps: readonly DurationStep[], targetMs: number): Html {
  const most = Math.max(1, ...steps.flatMap((step) => ENDINGS.map((ending) => step[ending])));
  const target = targetPlace(steps, targetMs / 1000);
  return html`<figure class="durations">
    ${ENDINGS.map(
      (ending) =>
        html`<div class="duration-row">
          <p class="name">
            <strong>${ending}</strong>
            <span class="quiet small">${ENDING_WORDS[ending]}</span>
          </p>
          <svg role="img" aria-label="${says(steps, ending)}">
            ${steps.map((step, nth) => bar(step[ending], nth, { steps, most }))}
            <line class="target" x1="${target}%" x2="${target}%" y1="0" y2="100%" />
            <line class="base" x1="0" x2="100%" y1="100%" y2="100%" />
          </svg>
        </div>`,
    )}
    <svg class="duration-axis" aria-hidden="true">
      ${steps.slice(1).map((step, nth) => {
        const x = ((nth + 1) * 100) / steps.length;
        return html`<text class="${nth % 2 === 1 ? 'odd' : ''}" x="${x.toFixed(2)}%" y="14"
          >${short(step.at_least_seconds)}</text
        >`;
      })}
    </svg>
  </figure>`;
}

function bar(
  count: number,
  nth: number,
  { steps, most }: { steps: readonly DurationStep[]; most: number },
): Html {
  if (count === 0) return html``;
  const width = 100 / steps.length;
  const { at_least_seconds: from, below_seconds: below } = steps[nth]!;
  // A fifth of the height is for the figure above the highest bar.
  const height = Math.max(3, (78 * count) / most);
  const span = below === null ? `${short(from)} and longer` : `${short(from)} to ${short(below)}`;
  return html`<g
    ><rect
      x="${(nth * width + width * 0.08).toFixed(2)}%"
      y="${(100 - height).toFixed(1)}%"
      width="${(width * 0.84).toFixed(2)}%"
      height="${height.toFixed(1)}%"
    /><text x="${((nth + 0.5) * width).toFixed(2)}%" y="${(100 - height).toFixed(1)}%" dy="-4"
      >${number(count)}</text
    ><title>${span}: ${plural(count, 'period')}</title></g
  >`;
}

/** In percent of the width. Steps are drawn equally wide, so the position within a step is its share. Pure. */
export function targetPlace(steps: readonly DurationStep[], seconds: number): number {
  const nth = steps.findLastIndex((step) => step.at_least_seconds <= seconds);
  const { at_least_seconds: from, below_seconds: below } = steps[nth]!;
  const share = below === null ? 0.5 : (seconds - from) / (below - from);
  return Number((((nth + share) * 100) / steps.length).toFixed(2));
}

function says(steps: readonly DurationStep[], ending: Ending): string {
  const total = steps.reduce((sum, step) => sum + step[ending], 0);
  const parts = steps
    .filter((step) => step[ending] > 0)
    .map((step) => `${step[ending]} from ${short(step.at_least_seconds)}`);
  return `${ending}: ${plural(total, 'period')}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`;
}

/** "0", "8 h", "4 d", "8 w" */
export function short(seconds: number): string {
  const hours = seconds / 3_600;
  if (hours === 0) return '0';
  if (hours < 24) return `${hours} h`;
  const days = hours / 24;
  return days < 14 ? `${days} d` : `${days / 7} w`;
}
