// The lower and upper bound of a panel, in round figures. Pure.

export type Scale = { low: number; high: number };

export function scaleOf(values: readonly number[], from: 'zero' | 'least'): Scale {
  const most = Math.max(0, ...values);
  const least = from === 'zero' ? 0 : Math.min(...values, most);
  if (least === most && least > 0 && from === 'least') return around(most);
  const step = roundStep((most - least) / 4);
  // A line on the ground would look like zero users.
  const margin = least === 0 ? 0 : Math.max(1, (most - least) / 8);
  const low = Math.max(0, Math.floor((least - margin) / step) * step);
  return { low, high: Math.max(low + step, Math.ceil(most / step) * step) };
}

/** A line that never moves is within its panel, not on an edge of it. */
function around(value: number): Scale {
  const step = roundStep(value / 20);
  const below = Math.floor(value / step) * step;
  return { low: Math.max(0, below - step), high: below + step };
}

/** 1, 2, 5, 10, 20, 50 …: users are counted in whole numbers. */
function roundStep(size: number): number {
  if (size <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(size));
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= size)!;
}
