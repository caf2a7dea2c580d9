// "Did you mean levels?" for the values of arguments and options, in the form that Commander uses for commands and
// options.
import { Command, CommanderError, InvalidArgumentError } from 'commander';

/** Adds the nearest choice to the message about a value that is not among the choices. */
export function suggestChoices(command: Command): void {
  for (const one of [...command.options, ...command.registeredArguments]) {
    const { argChoices, parseArg } = one;
    if (argChoices === undefined || parseArg === undefined) continue;
    one.argParser((text: string, before: unknown) => {
      try {
        return parseArg(text, before);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        throw new InvalidArgumentError(`${error.message}${didYouMean(text, argChoices, '\n')}`);
      }
    });
  }
}

/**
 * "(Did you mean levels?)" after `before`. Empty if no choice is near. Commander does not export its measure of
 * distance. So the choices become commands, and Commander is asked about a command of this name.
 */
export function didYouMean(text: string, choices: readonly string[], before = ' '): string {
  const commands = new Command()
    .exitOverride()
    .helpCommand(false)
    .configureOutput({ writeErr() {} });
  for (const name of choices) commands.command(name);
  try {
    commands.parse(['--', text], { from: 'user' });
    return '';
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const found = /\(Did you mean .*\)$/.exec(error.message);
    return found === null ? '' : `${before}${found[0]}`;
  }
}
