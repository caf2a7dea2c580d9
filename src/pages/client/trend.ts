// Makes the server's picture readable by pointer and arrow keys: a line through all panels, with the figures there. It
// also offers a choice of a span, which leads to its address. The picture itself stays unchanged: uPlot draws nothing
// over it.
import uPlot from 'uplot';

type Points = { at: number[] } & Record<string, number[]>;
const LEVELS = ['high', 'medium', 'low'];
const KEYS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -24, PageDown: 24 };

export function readTrends(): void {
  for (const figure of document.querySelectorAll<HTMLElement>('[data-trend]')) readTrend(figure);
}

function readTrend(figure: HTMLElement): void {
  const text = figure.querySelector('[data-points]')?.textContent;
  const points = JSON.parse(text ?? 'null') as Points | null;
  const [from, to] = [Number(figure.dataset['from']) / 1000, Number(figure.dataset['to']) / 1000];
  if (points === null || points.at.length === 0) return;
  const last = points.at.length - 1;
  const say = (nth: number | null) => tell(figure, points, nth, last);
  const charts = [...figure.querySelectorAll<HTMLElement>('[data-plot]')].map((plot) =>
    over(plot, points, { from, to }, say),
  );
  readByKeys(figure, points, { from, to }, charts, say);
  document.querySelector('[data-drag-hint]')?.removeAttribute('hidden');
}

type Edges = { from: number; to: number };

function over(
  plot: HTMLElement,
  points: Points,
  { from, to }: Edges,
  say: (nth: number | null) => void,
): uPlot {
  const nothing = () => null;
  const shown = seriesOf(plot.dataset['plot'] ?? '', points);
  const chart = new uPlot(
    {
      width: plot.clientWidth,
      height: plot.clientHeight,
      padding: [0, 0, 0, 0],
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: {
        x: { time: true, range: () => [from, to] },
        y: { range: () => [Number(plot.dataset['low']), Number(plot.dataset['high'])] },
      },
      series: [{}, ...shown.map(() => ({ paths: nothing, points: { show: false } }))],
      cursor: {
        y: false,
        sync: { key: 'trend' },
        points: { size: 8, width: 2, stroke: 'currentColor', fill: 'currentColor' },
        drag: { x: true, y: false, setScale: false },
        // A state holds until the next one: the point at or before the pointer counts, not the nearest point.
        dataIdx: (chart, _series, nearest, x) =>
          nearest > 0 && (chart.data[0][nearest] ?? 0) > x ? nearest - 1 : nearest,
      },
      hooks: {
        setCursor: [
          ({ cursor }) =>
            say(cursor.left === undefined || cursor.left < 0 ? null : (cursor.idxs?.[1] ?? null)),
        ],
        setSelect: [
          (chart) => {
            const { left, width } = chart.select;
            if (width > 4) zoom(chart.posToVal(left, 'x'), chart.posToVal(left + width, 'x'));
          },
        ],
      },
    },
    [points.at, ...shown],
    plot,
  );
  new ResizeObserver(() => chart.setSize({ width: plot.clientWidth, height: plot.clientHeight })).observe(
    plot,
  );
  return chart;
}

/** The upper edges of a stacked panel. */
function seriesOf(kind: string, points: Points): number[][] {
  if (kind !== 'all') return [points[kind] ?? []];
  const [low = [], medium = [], high = []] = ['low', 'medium', 'high'].map((level) => points[level]);
  const two = low.map((value, nth) => value + (medium[nth] ?? 0));
  return [low, two, two.map((value, nth) => value + (high[nth] ?? 0))];
}

/** The figures at a point, beside the names of the levels. Without a point, the newest figures. */
function tell(figure: HTMLElement, points: Points, nth: number | null, last: number): void {
  for (const level of LEVELS) {
    const output = figure.querySelector(`[data-value="${level}"]`);
    const value = points[level]?.[nth ?? last];
    if (output && value !== undefined) output.textContent = value.toLocaleString('en-US');
  }
  const when = figure.querySelector('[data-when]');
  if (when) when.textContent = nth === null ? '' : localTime(figure, points.at[nth] ?? 0);
}

function localTime(figure: HTMLElement, at: number): string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: figure.dataset['zone'],
    dateStyle: 'short',
    ...(figure.dataset['step'] !== 'day' && { timeStyle: 'short' }),
  });
  return format.format(at * 1000);
}

function readByKeys(
  figure: HTMLElement,
  points: Points,
  { from, to }: Edges,
  charts: uPlot[],
  say: (nth: number | null) => void,
): void {
  const last = points.at.length - 1;
  let place = last;
  let anchor: number | null = null;
  figure.tabIndex = 0;
  figure.setAttribute('role', 'group');
  figure.setAttribute('aria-label', 'Users by level over time. Arrow keys read it.');
  const at = (nth: number) => Math.max(points.at[nth] ?? from, from);
  const show = () => {
    for (const chart of charts) {
      chart.setCursor({ left: chart.valToPos(at(place), 'x') + 0.5, top: 1 }, false);
      const ends = [at(place), anchor === null ? at(place) : at(anchor)].map((one) =>
        chart.valToPos(one, 'x'),
      );
      const [left, right] = [Math.min(...ends), Math.max(...ends)];
      chart.setSelect({ left, top: 0, width: right - left, height: chart.height }, false);
    }
    say(place);
  };
  figure.addEventListener('keydown', (event) => {
    if (event.target !== figure) return;
    const step = KEYS[event.key];
    const goal =
      event.key === 'Home' ? 0 : event.key === 'End' ? last : step === undefined ? null : place + step;
    if (goal !== null) {
      anchor = event.shiftKey ? (anchor ?? place) : null;
      place = Math.min(Math.max(goal, 0), last);
    } else if (event.key === 'Enter' && anchor !== null && anchor !== place) {
      const [first, second] = [Math.min(anchor, place), Math.max(anchor, place)];
      return zoom(at(first), second === last ? to : at(second));
    } else if (event.key === 'Escape') anchor = null;
    else return;
    event.preventDefault();
    show();
  });
}

/** The same page for a shorter span. The browser's back button leads back. */
function zoom(from: number, to: number): void {
  const address = new URL(location.href);
  const minute = (at: number) => `${new Date(at * 1000).toISOString().slice(0, 16)}Z`;
  if (minute(from) === minute(to)) return;
  address.searchParams.delete('range');
  address.searchParams.set('from', minute(from));
  address.searchParams.set('to', minute(to));
  document.querySelector('main')?.setAttribute('aria-busy', 'true');
  location.assign(address);
}
