// How to start this program in its present place, for commands that print what to type next.
import type { Source } from '../../settings/variables.ts';

/** `quiet` keeps npm's banner from stdout. */
export function howToRun({ env }: Pick<Source, 'env'>): { command: string; quiet: string } {
  const { npm_lifecycle_event: script = '', npm_package_name: project } = env;
  // In a checkout. Another project may have installed this one, and start it by its own script.
  if (project === 'zt-risk-sync' && ['start', 'demo'].includes(script))
    return { command: 'npm start --', quiet: 'npm -s start --' };
  const command = script === 'npx' ? 'npx zt-risk-sync' : 'zt-risk-sync';
  return { command, quiet: command };
}
