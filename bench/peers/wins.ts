// For fairness: lists the figures in which a peer needs less than this product.
import type { Figures } from '../harness/measure.ts';
import { CASES, type Case } from './compare.ts';
import { OURS } from './peers.ts';

const LOOKED_AT = {
  wallMs: 'wall, ms',
  clientCpuMs: 'client CPU, ms',
  serverCpuMs: 'server CPU, ms',
  peakMb: 'memory, MB',
  walMb: 'WAL, MB',
} as const;

/** One line for each case and figure in which a peer needs less. */
export function winsOf(users: number, figures: Map<string, Record<Case, Figures>>): string[] {
  const ours = figures.get(OURS);
  if (ours === undefined) return [];
  return CASES.flatMap((one) =>
    Object.entries(LOOKED_AT).flatMap(([key, what]) => {
      const figure = key as keyof typeof LOOKED_AT;
      const better = [...figures]
        .filter(([, theirs]) => theirs[one][figure] < ours[one][figure])
        .map(([name, theirs]) => `${name}: ${round(theirs[one][figure])}`);
      if (better.length === 0) return [];
      return [`${one}, ${users} users, ${what} (here ${round(ours[one][figure])}): ${better.join('; ')}`];
    }),
  );
}

function round(value: number): string {
  return value.toFixed(value < 10 ? 2 : 0);
}
