// `erase <user>`: removes a person from everything that this program keeps. Levels and counts stay under a random id.
import { createInterface } from 'node:readline/promises';
import { randomUUID } from 'node:crypto';
import { Command, Option } from 'commander';
import { findPersons, isUnknown, personNotFound, type FoundPersons } from '../answers/person/find-persons.ts';
import { identitiesDenied } from '../answers/identities-denied.ts';
import { openLogger, type Io } from '../context.ts';
import type { Config } from '../config.ts';
import type { Pool } from '../db/pool.ts';
import { EXIT, OperatorError } from '../errors.ts';
import { knownAccounts } from '../queries/accounts/known-accounts.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { LEASE_TIMING } from '../sync/claim/lease.ts';
import { inputOf } from '../terminal/input.ts';
import { askedText, busyText, erasedText, erasingObject } from '../terminal/print/upkeep/print-erase.ts';
import { createProgress } from '../terminal/progress.ts';
import { json, type OutputFormat } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';
import { erasePerson, type EraseDeps, type Erasing } from '../upkeep/erase/erase-person.ts';
import { formatOption } from './options/format.ts';
import { askedPerson, personArgument } from './options/person.ts';
import { withDatabase } from './options/with-history.ts';

type Options = { forget?: true; once?: true; all: boolean; yes: boolean; format: OutputFormat };

const HELP = `
Email and name, rejected records, lookups, and texts of runs that name the
person go, in every account. Levels, counts and trends stay, under a random user
id that leads nowhere. A sync that is under way is waited for. An erasure that
was interrupted goes on when the command is run again. On a terminal, it asks:
with any answer but yes, nothing is erased, and it exits 1.

The person stays forgotten when the API serves them again: levels go on under
the random id, without a name. For that, a keyed hash of the user id is kept;
"erased release" removes it. With --once, nothing is kept, and the person is a
new user when served again.

Out of reach are files that were exported, copies in other databases, backups,
and archived WAL: docs/erasure.md says what to do there.

  zt-risk-sync erase 3f2504e0-4f89-41d3-9a0c-0305e82c3301
  zt-risk-sync erase ada@example.com --once
  zt-risk-sync erase - --yes < who.txt`;

export function eraseCommand(io: Io): Command {
  return new Command('erase')
    .description('forget a person: identity, rejected records and lookups go; levels and counts stay')
    .addArgument(personArgument())
    .addOption(
      new Option(
        '--forget',
        'also when the API serves them again (default). Given, it takes unknown ids',
      ).conflicts('once'),
    )
    .option('--once', 'when the API serves them again, they are a new user')
    .option('--all', 'everybody who has or had this email', false)
    .option('--yes', 'do not ask on a terminal', false)
    .addOption(formatOption(['table', 'json']))
    .addHelpText('after', HELP)
    .action(async (given: string, options: Options) => {
      const asked = await askedPerson(io, given);
      await withDatabase(io, async (pool, config) => {
        const may = await mayRead(pool);
        if (!may.identities || !may.leases)
          throw identitiesDenied('Nothing was erased', "Use the worker's own database user");
        const found = await findPersons(pool, asked, config.pii.key);
        if (isUnknown(found) && !('userId' in asked && options.forget === true))
          throw personNotFound(asked, found, ADVANCE);
        const isTerminal = io.stderr.isTTY === true && inputOf(io).isTTY === true;
        if (found.persons.length > 1 && !options.all && !(isTerminal && !options.yes)) throw several(found);
        if (isTerminal && !options.yes && !(await confirmed(io, pool, found, options))) {
          io.stderr.write('Nothing was erased.\n');
          return io.exit(EXIT.failed);
        }
        await erase(io, { pool, config }, { found, email: 'email' in asked ? asked.email : null, options });
      });
    });
}

const ADVANCE =
  'Look for the user with `zt-risk-sync users --search <beginning of the id>`. To forget an id before the API serves it, give the whole id and --forget';

async function confirmed(io: Io, pool: Pool, found: FoundPersons, options: Options): Promise<boolean> {
  io.stderr.write(askedText(found, options.once === true, viewOf(io, 'UTC')));
  const lines = createInterface({ input: inputOf(io), output: io.stderr });
  try {
    const answer = await lines.question('Type yes to erase: ', { signal: io.signal });
    return answer.trim().toLowerCase() === 'yes';
  } catch (error) {
    io.stderr.write('\n');
    io.signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}

type Wanted = { found: FoundPersons; email: string | null; options: Options };

async function erase(
  io: Io,
  { pool, config }: { pool: Pool; config: Config },
  { found, email, options }: Wanted,
): Promise<void> {
  const isStray = found.persons.length === 0;
  // If texts name no user, they are erased under an id that no user has.
  const ids = isStray ? [randomUUID()] : found.persons.map(({ userId }) => userId);
  const done: Erasing[] = [];
  const progress = createProgress({ stderr: io.stderr, logger: openLogger(io, config) });
  const deps: EraseDeps = {
    pool,
    timing: LEASE_TIMING,
    signal: io.signal,
    onBusy: await sayBusy(io, pool),
    onProgress: (at, total) => progress.to(at, total, () => 'erasing'),
  };
  try {
    for (const userId of ids)
      done.push(
        await erasePerson(deps, {
          userId,
          mode: options.once === true || isStray ? 'once' : 'forget',
          email,
        }),
      );
  } catch (error) {
    throw io.signal.aborted && error === io.signal.reason ? interrupted() : error;
  } finally {
    progress.end();
  }
  if (options.format === 'json') io.stdout.write(`${json(done.map(erasingObject))}\n`);
  else io.stdout.write(erasedText(done, options.once === true, viewOf(io, config.sync.timezone)));
}

/** Reports once for each run that the erasure waits for it. */
async function sayBusy(io: Io, pool: Pool): Promise<EraseDeps['onBusy']> {
  const known = await knownAccounts(pool);
  const said = new Set<number>();
  const view = viewOf(io, 'UTC');
  return (accountKey, holder) => {
    if (said.has(holder.runId)) return;
    said.add(holder.runId);
    const account = known.find(({ account_key }) => account_key === accountKey);
    io.stderr.write(view.notice(busyText(account, holder)));
  };
}

function several({ persons }: FoundPersons): OperatorError {
  return new OperatorError({
    code: 'USER_AMBIGUOUS',
    happened: `${persons.length} people have or had this email: ${persons.map(({ userId }) => userId).join(', ')}`,
    means: 'It is not clear who is meant, so nothing was erased',
    todo: 'Give one of the user ids, or --all to erase all of them',
  });
}

function interrupted(): OperatorError {
  return new OperatorError({
    code: 'INTERRUPTED',
    happened: 'The erasure was interrupted',
    means: 'What was erased stays erased, and the rest of the person is still there',
    todo: 'Run the same command again: it continues. `zt-risk-sync erased list` shows erasures that are not finished',
  });
}
