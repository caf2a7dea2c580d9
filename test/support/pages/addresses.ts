// Every page that the browser opens in tests, and what a reader finds there without a script.

export type Address = {
  path: string;
  /** Must be in the page, whether scripts run or not. */
  shows: string;
};

/** Of the world that every run has. */
const USER = '/users/4d298c94-852c-260d-0b21-d76cf50f3573';

export const ADDRESSES: readonly Address[] = [
  { path: '/', shows: '[data-trend] .area.high' },
  { path: '/?range=24h&view=stacked', shows: '[data-view="stacked"] .area.low' },
  { path: '/?range=all&view=one&tz=Asia/Kathmandu', shows: '.strip path' },
  { path: '/response', shows: '.durations .duration-row' },
  { path: '/response?range=all&tz=America/New_York', shows: '[data-response="median"]' },
  { path: '/runs', shows: '.calendar rect' },
  { path: '/runs?status=failed&range=all', shows: '.filters select' },
  { path: '/runs/1', shows: '.facts dt' },
  { path: '/runs/999999999', shows: 'h1' },
  { path: '/?account=nobody', shows: 'h1' },
  { path: '/changes?range=all', shows: '[data-cell="none low"] a' },
  { path: '/changes?range=all&since=20&change=raised&to_level=high', shows: '[data-new]' },
  { path: '/users?level=all&sort=event_count', shows: '[aria-sort="descending"]' },
  { path: '/users?q=nobody', shows: '.notice.empty' },
  { path: USER, shows: '.lane-plot rect' },
  { path: '/users/00000000-0000-4000-8000-000000000000', shows: '.ways a' },
];
