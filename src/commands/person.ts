// `person <user> --out <file>`: everything that is held of one person, for their right of access.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { identitiesDenied } from '../answers/identities-denied.ts';
import {
  findPersons,
  isUnknown,
  personNotFound,
  type WantedPerson,
  type FoundPerson,
} from '../answers/person/find-persons.ts';
import { personFile, type PersonCounts } from '../answers/person/person-file.ts';
import type { Io } from '../context.ts';
import type { Db } from '../db/handle.ts';
import type { Pool } from '../db/pool.ts';
import { readOnly } from '../db/read-only.ts';
import { OperatorError } from '../errors.ts';
import { openFile, outputFailed, standardOutput, type Output } from '../export/output.ts';
import { databaseNow } from '../queries/health/database-now.ts';
import { mayRead } from '../queries/health/may-read.ts';
import { writtenText } from '../terminal/print/upkeep/print-person.ts';
import { viewOf } from '../terminal/view.ts';
import { askedPerson, personArgument } from './options/person.ts';
import { withDatabase } from './options/with-history.ts';

const HELP = `
The file holds emails, names, levels and activity with their times, lookups,
rejected records, and runs whose texts name the person. Only you can read it. It
gets its name when it is whole, and replaces an earlier one. docs/erasure.md
says what each part means.

Records that name the person but may be about somebody else are only counted:
look at them with "rejected list".

  zt-risk-sync person 3f2504e0-4f89-41d3-9a0c-0305e82c3301 --out person.json
  zt-risk-sync person ada@example.com --out - | jq .accounts
  zt-risk-sync person - --out person.json < who.txt`;

export function personCommand(io: Io): Command {
  return new Command('person')
    .description('everything that is held of one person, in every account, as JSON')
    .addArgument(personArgument())
    .requiredOption('--out <file>', 'where to, or - for standard output')
    .addHelpText('after', HELP)
    .action(async (given: string, { out }: { out: string }) => {
      const asked = await askedPerson(io, given);
      await withDatabase(io, (pool, config) => write(io, { pool, piiKey: config.pii.key }, asked, out));
    });
}

const LIMITS = { statementMs: 300_000, lockMs: 10_000 };

async function write(
  io: Io,
  { pool, piiKey }: { pool: Pool; piiKey: string | null },
  asked: WantedPerson,
  out: string,
): Promise<void> {
  const may = await mayRead(pool);
  if (!may.identities || !may.leases)
    throw identitiesDenied('Nothing was written', "Use the worker's own database user");
  const counts: PersonCounts = {
    accounts: 0,
    identities: 0,
    levels: 0,
    activity: 0,
    rejected: 0,
    unsure: 0,
  };
  const email = 'email' in asked ? asked.email : null;
  await readOnly(
    pool,
    LIMITS,
    async (tx) => {
      const person = await onlyPerson(tx, asked, piiKey);
      const madeAt = (await databaseNow(pool)).toISOString();
      const file = out === '-' ? standardOutput(io.stdout as NodeJS.WriteStream) : await openFile(out, 0o600);
      await copyTo(file, personFile(tx, { person, email, madeAt }, counts), io.signal);
    },
    { cancel: io.signal },
  );
  (out === '-' ? io.stderr : io.stdout).write(writtenText(out, counts, viewOf(io, 'UTC')));
}

/** Throws USER_NOT_FOUND, USER_AMBIGUOUS and PII_KEY_NEEDED. */
async function onlyPerson(db: Db, asked: WantedPerson, piiKey: string | null): Promise<FoundPerson> {
  const found = await findPersons(db, asked, piiKey);
  if (isUnknown(found)) throw personNotFound(asked, found, FIND);
  const [person, ...others] = found.persons;
  if (others.length > 0) throw severalPersons(found.persons);
  return person ?? { userId: null, erasure: null, users: [] };
}

const FIND =
  'Look for the user with `zt-risk-sync users --search <beginning of the id>`; with --identities it also searches emails and names';

function severalPersons(persons: readonly FoundPerson[]): OperatorError {
  return new OperatorError({
    code: 'USER_AMBIGUOUS',
    happened: `${persons.length} people have or had this email: ${persons.map(({ userId }) => userId).join(', ')}`,
    means: 'One file for all of them would tell each about the others. Nothing was written',
    todo: 'Give one of the user ids',
  });
}

async function copyTo(file: Output, text: AsyncIterable<string>, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(Readable.from(text), file.stream, { signal, end: !file.isShared });
  } catch (error) {
    await file.drop();
    signal.throwIfAborted();
    // A reader that stops early (`| head`) is no error.
    if (file.isShared && (error as NodeJS.ErrnoException).code === 'EPIPE') return;
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw outputFailed(file.name, error);
  }
  await file.keep();
}
