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
  { path: '/?account=nobody', shows: 'h1' },
];
