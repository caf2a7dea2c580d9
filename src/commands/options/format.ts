// The options for the format and the amount of output.
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { OutputFormat } from '../../terminal/table.ts';

/** The command also gets `--json`: see offerJson. */
export function formatOption(
  choices: readonly OutputFormat[] = ['table', 'json', 'csv'],
  what = 'output format',
): Option {
  return new Option('--format <format>', what).choices(choices).default('table');
}

/** `--json`, short for `--format json`, on a command that has this format. */
export function offerJson(command: Command): void {
  const format = command.options.find(({ long }) => long === '--format');
  if (format?.argChoices?.includes('json') !== true) return;
  command.option('--json', 'short for --format json').hook('preAction', () => {
    const { json, format } = command.opts<{ json?: true; format: OutputFormat }>();
    if (json !== true) return;
    if (command.getOptionValueSource('format') === 'cli' && format !== 'json') {
      command.error(`error: option '--json' cannot be used with option '--format ${format}'`, {
        code: 'commander.conflictingOption',
      });
    }
    command.setOptionValueWithSource('format', 'json', 'implied');
  });
}

/** `--limit` of a list that is shown whole as JSON or CSV. */
export function limitOption(what: string, inTable: number): Option {
  return new Option(
    '--limit <n>',
    `at most this many ${what} per account (default: ${inTable} in a table, all as JSON or CSV)`,
  ).argParser(wholeNumber(1, 10_000_000));
}

export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}.`);
    }
    return value;
  };
}
