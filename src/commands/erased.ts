// `erased list|release`: who was erased, without personal data.
import { Argument, Command, InvalidArgumentError } from 'commander';
import { readAsked } from '../answers/person/find-persons.ts';
import type { Io } from '../context.ts';
import { OperatorError } from '../errors.ts';
import { listErased } from '../queries/people/list-erased.ts';
import { printErased } from '../terminal/print/upkeep/print-erased.ts';
import type { OutputFormat } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';
import { releasePerson } from '../upkeep/erase/erased-person.ts';
import { formatOption } from './options/format.ts';
import { timezoneOption } from './options/times.ts';
import { withDatabase } from './options/with-history.ts';

export function erasedCommand(io: Io): Command {
  const command = new Command('erased').description(
    'the people who were erased, without anything of the person (see erase)',
  );

  command
    .command('list', { isDefault: true })
    .description('when, how, how much, and under which id their levels stay (default)')
    .addOption(timezoneOption('time zone of all times'))
    .addOption(formatOption())
    .action(({ format, timezone }: { format: OutputFormat; timezone?: string }) =>
      withDatabase(io, async (pool, config) =>
        printErased(io.stdout, await listErased(pool), format, viewOf(io, timezone ?? config.sync.timezone)),
      ),
    );

  command
    .command('release')
    .description('remove the hash of a forgotten person: when served again, they are a new user')
    .addArgument(new Argument('<user>', 'the id that replaces theirs').argParser(wholeId))
    .action((userId: string) =>
      withDatabase(io, async (pool) => {
        if (!(await releasePerson(pool, userId))) throw notErased(userId);
        io.stdout.write(`${userId}: released\n`);
      }),
    );

  return command;
}

function wholeId(text: string): string {
  const asked = readAsked(text);
  if (asked === null || !('userId' in asked)) throw new InvalidArgumentError('must be a whole user id.');
  return asked.userId;
}

function notErased(userId: string): OperatorError {
  return new OperatorError({
    code: 'USER_NOT_FOUND',
    happened: `No erasure that is finished has the id ${userId}`,
    means: 'Nothing was changed',
    todo: 'See `zt-risk-sync erased list`. An erasure that is not finished continues when `erase` is run again',
  });
}
