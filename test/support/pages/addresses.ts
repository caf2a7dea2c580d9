// Every page that the browser opens in tests, and what a reader finds there without a script.

export type Address = {
  path: string;
  /** Must be in the page, whether scripts run or not. */
  shows: string;
};

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
];
