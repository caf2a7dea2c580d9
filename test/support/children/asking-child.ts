// A replica that only asks, in its own process. It prints "ready", waits for a line, and asks the given number of
// questions, four in parallel. Then it prints "ended" with the answers. Run by test/support/child.ts.
import { createInterface } from 'node:readline';
import { createCloudflareClient } from '../../../src/cloudflare/client.ts';
import type { RequestLimit } from '../../../src/cloudflare/pace/budget.ts';
import { openSharedBudget } from '../../../src/context.ts';
import { createLogger } from '../../../src/logger.ts';

export type AskingChild = {
  databaseUrl: string;
  apiUrl: string;
  token: string;
  limit: RequestLimit;
  questions: number;
  /** Without it, the process counts for itself. */
  shares: boolean;
};

export type Asked = { answered: number; throttled: number; ms: number };

const argument = JSON.parse(process.argv[2] ?? '') as AskingChild;
const logger = createLogger({
  level: 'warn',
  secrets: [argument.token],
  pretty: false,
  destination: process.stderr,
});
const budget = openSharedBudget({ url: argument.databaseUrl, isEmbedded: false }, logger);
let throttled = 0;
const client = createCloudflareClient({
  baseUrl: new URL(argument.apiUrl),
  auth: { kind: 'token', token: argument.token },
  logger,
  limit: argument.limit,
  ...(argument.shares ? { sharedBudget: budget } : {}),
  onAnswer({ status }) {
    if (status === 429) throttled += 1;
  },
});

process.stdout.write('ready\n');
await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next();
const began = performance.now();
let asked = 0;
let answered = 0;
async function askOnAndOn(): Promise<void> {
  while (asked < argument.questions) {
    asked += 1;
    const signal = new AbortController().signal;
    await client.verifyToken({ accountId: null, signal, countUse: () => undefined });
    answered += 1;
  }
}
await Promise.all([1, 2, 3, 4].map(askOnAndOn));
const ms = performance.now() - began;
await client.close();
await budget.close();
process.stdout.write(`ended ${JSON.stringify({ answered, throttled, ms } satisfies Asked)}\n`);
process.exit(0);
