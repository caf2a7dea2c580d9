// From where to where a panel goes, in round figures. Pure.

export type Scale = { low: number; high: number };

export function scaleOf(values: readonly number[], from: 'zero' | 'least'): Scale {
  const most = Math.max(0, ...values);
  const least = from === 'zero' ? 0 : Math.min(...values, most);
  const step = roundStep((most - least) / 4);
  const low = Math.floor(least / step) * step;
  return { low, high: Math.max(low + step, Math.ceil(most / step) * step) };
}

/** 1, 2, 5, 10, 20, 50 …: users are counted in whole numbers. */
function roundStep(size: number): number {
  if (size <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(size));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= size)!;
}
