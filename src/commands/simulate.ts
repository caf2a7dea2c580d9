// `simulate`: a simulated Cloudflare API, to try everything without an account.
import { once } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import type { Io } from '../context.ts';
import { simulatedAccounts } from '../simulator/account-listing.ts';
import { FAULTS, parseFaults } from '../simulator/faults.ts';
import { startSimulator } from '../simulator/server.ts';
import { createWorld } from '../simulator/world.ts';
import { howToRun } from './options/how-to-run.ts';
import { wholeNumber } from './options/format.ts';
import { didYouMean } from './options/suggestions.ts';
import { wrap } from '../terminal/wrap.ts';

/** Printed, because they are only useful here. */
const SIMULATED = { token: 'simulated-token', email: 'admin@example.com', key: 'simulated-key' };
const SIMULATED_ACCOUNT = '5e1f0000000000000000000000000001';
const WARM_UP_DAYS = 90;

type Options = {
  host: string;
  port: number;
  users: number;
  accounts: number;
  seed: number;
  speed: number;
  faults?: string;
};

export function simulateCommand(io: Io): Command {
  const faults = Object.entries(FAULTS).map(([name, meaning]) => `  ${name.padEnd(16)}${wrap(meaning, 18)}`);
  return new Command('simulate')
    .description('serve a simulated account as the Cloudflare API would, until a signal')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'port to listen on', wholeNumber(0, 65_535), 8788)
    .option('--users <n>', 'about how many users have a risk level', wholeNumber(0, 1_000_000), 440)
    .option('--accounts <n>', 'accounts that the list names, all with these users', wholeNumber(1, 10_000), 1)
    .option('--seed <n>', 'the same seed gives the same people and events', wholeNumber(0, 2_147_483_647), 1)
    .option('--speed <n>', 'simulated seconds per second', positive, 1)
    .option('--faults <names>', 'faults to simulate, separated by commas (see below)')
    .addHelpText('after', `\nFaults:\n${faults.join('\n')}`)
    .action(async (options: Options) => {
      const began = Date.now();
      const simulator = await startSimulator({
        worlds: createWorld({
          seed: options.seed,
          users: options.users,
          start: new Date(began - WARM_UP_DAYS * 86_400_000),
          days: Number.POSITIVE_INFINITY,
        }),
        accountIds: simulatedAccounts(SIMULATED_ACCOUNT, options.accounts, options.seed),
        now: () => new Date(began + (Date.now() - began) * options.speed),
        auth: SIMULATED,
        host: options.host,
        port: options.port,
        faults: parseFaults(options.faults ?? '', didYouMean),
        // The waits of the rate limit are in simulated seconds. At another speed, a client would wait too long or not
        // long enough.
        ...(options.speed === 1 ? {} : { rateLimit: null }),
      });
      io.stdout.write(
        [
          `Simulated Cloudflare API at ${simulator.url}`,
          'In another terminal:',
          '',
          `  export CLOUDFLARE_BASE_URL=${simulator.url} CLOUDFLARE_ALLOW_INSECURE=1`,
          `  export CLOUDFLARE_API_TOKEN=${SIMULATED.token} CLOUDFLARE_ACCOUNT_ID=${options.accounts > 1 ? "'*'" : SIMULATED_ACCOUNT}`,
          `  ${howToRun(io.source).command} sync`,
          '',
          'Stop with Ctrl-C.',
          '',
        ].join('\n'),
      );
      if (!io.signal.aborted) await once(io.signal, 'abort');
      await simulator.close();
      io.stderr.write(`answered ${simulator.requests()} requests\n`);
    });
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0 || value > 1_000_000) {
    throw new InvalidArgumentError('must be a number above 0 and at most 1,000,000.');
  }
  return value;
}
