// How well each day was covered, as a calendar: a column for each week, from Monday to Sunday. Each state has its own
// surface and letter, so that no state depends on colour alone.
import { html } from 'hono/html';
import type { CoverageDay } from '../../queries/runs/coverage.ts';
import { plural } from '../../words.ts';
import type { Html } from '../page.ts';
import { missedOf } from '../../answers/pages/coverage.ts';
import { stateOf, type DayState } from './coverage-strip.ts';

export type CalendarState = DayState | 'failed';

const DAY = 86_400_000;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const CELL = 22;
const GAP = 3;
const LEFT = 36;
const TOP = 20;

export const CALENDAR_STATES: Readonly<Record<CalendarState, { letter: string; means: string }>> = {
  whole: { letter: '', means: 'all expected snapshots were written and complete' },
  failed: { letter: 'F', means: 'a run failed, and no slot was missed' },
  partial: { letter: 'P', means: 'a snapshot was partial' },
  missed: { letter: 'M', means: 'a slot was missed' },
  none: { letter: '–', means: 'no snapshot' },
};

/** Pure. The gravest state counts. */
export function calendarState(day: CoverageDay): CalendarState {
  const state = stateOf(day);
  return state === 'whole' && day.failed_count + day.abandoned_count > 0 ? 'failed' : state;
}

/** `says` is the text for a screen reader. The table behind the picture has all days. */
export function coverageCalendar(days: readonly CoverageDay[], says: string): Html {
  const monday = mondayBefore(days[0]?.day ?? '1970-01-05');
  const places = days.map((day) => ({ day, ...placeOf(day.day, monday) }));
  const weeks = (places.at(-1)?.week ?? 0) + 1;
  // The name of a month is wider than one week.
  const [width, height] = [LEFT + Math.max(weeks, 2) * CELL, TOP + 7 * CELL];
  return html`<div class="scroll" role="region" tabindex="0" aria-label="Calendar">
    <svg
      class="calendar"
      role="img"
      aria-label="${says}"
      width="${width}"
      height="${height}"
      viewBox="0 0 ${width} ${height}"
    >
      <pattern id="missed-day" class="hatching" width="5" height="5" patternUnits="userSpaceOnUse">
        <path d="M-1 6L6 -1M-1 1L1 -1M4 6L6 4" />
      </pattern>
      ${['Mon', 'Wed', 'Fri', 'Sun'].map(
        (name, nth) => html`<text class="label" x="0" y="${TOP + (2 * nth + 0.7) * CELL}">${name}</text>`,
      )}
      ${months(places).map(
        ({ week, name }) => html`<text class="label" x="${LEFT + week * CELL}" y="12">${name}</text>`,
      )}
      ${places.map(({ day, week, weekday }) => cell(day, LEFT + week * CELL, TOP + weekday * CELL))}
    </svg>
  </div>`;
}

export function calendarLegend(days: readonly CoverageDay[]): Html {
  const states = days.map(calendarState);
  const names = Object.keys(CALENDAR_STATES) as CalendarState[];
  return html`<ul class="legend-list small">
    ${names.map(
      (state) =>
        html`<li>
          <svg class="calendar" width="${CELL - GAP}" height="${CELL - GAP}" aria-hidden="true">
            ${square(state, 0, 0)}
          </svg>
          <span data-days="${state}">${plural(states.filter((one) => one === state).length, 'day')}</span>
          <span class="quiet">${CALENDAR_STATES[state].means}</span>
        </li>`,
    )}
  </ul>`;
}

function cell(day: CoverageDay, x: number, y: number): Html {
  return html`<g>${square(calendarState(day), x, y)}<title>${sentence(day)}</title></g>`;
}

function square(state: CalendarState, x: number, y: number): Html {
  const side = CELL - GAP;
  const { letter } = CALENDAR_STATES[state];
  return html`<rect
      class="${state}"
      x="${x + 0.5}"
      y="${y + 0.5}"
      width="${side - 1}"
      height="${side - 1}"
      rx="3"
      ${state === 'missed' ? html`fill="url(#missed-day)"` : ''}
    />${letter === '' ? '' : html`<text class="letter" x="${x + side / 2}" y="${y + side / 2 + 4}">${letter}</text>`}`;
}

/** "2026-03-01: 23 complete, 1 partial, 1 failed run, 2 missed slots" Pure. */
function sentence(day: CoverageDay): string {
  const failed = day.failed_count + day.abandoned_count;
  const missed = missedOf(day);
  const parts = [
    day.complete_count + day.partial_count === 0 ? 'no snapshot' : `${day.complete_count} complete`,
    ...(day.partial_count > 0 ? [`${day.partial_count} partial`] : []),
    ...(failed > 0 ? [plural(failed, 'failed run')] : []),
    ...(missed > 0 ? [plural(missed, 'missed slot')] : []),
  ];
  return `${day.day}: ${parts.join(', ')}`;
}

function mondayBefore(day: string): number {
  const at = Date.parse(day);
  return at - ((new Date(at).getUTCDay() + 6) % 7) * DAY;
}

function placeOf(day: string, monday: number): { week: number; weekday: number } {
  const nth = Math.round((Date.parse(day) - monday) / DAY);
  return { week: Math.floor(nth / 7), weekday: nth % 7 };
}

/** A month is named over the week in which it begins. The first one is named unless the next name is too near. */
function months(places: readonly { day: CoverageDay; week: number }[]): { week: number; name: string }[] {
  const nameOf = (day: string) => MONTHS[Number(day.slice(5, 7)) - 1]!;
  const begins = places
    .filter(({ day }) => day.day.endsWith('-01'))
    .map(({ day, week }) => ({ week, name: nameOf(day.day) }));
  const [first] = places;
  if (first === undefined || (begins[0] !== undefined && begins[0].week < 2)) return begins;
  return [{ week: 0, name: nameOf(first.day.day) }, ...begins];
}
