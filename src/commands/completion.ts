// `completion bash|zsh|fish`: prints a script that completes commands and options. It is made from the commands
// themselves, so it knows every option of this version.
import { Argument, Command } from 'commander';
import type { Io } from '../context.ts';
import { completionScript, SHELLS, type CommandShape, type Shell } from '../terminal/completion-script.ts';

/** `wholeProgram`: the program with all its commands. Otherwise only this one is loaded. */
export function completionCommand(io: Pick<Io, 'stdout'>, wholeProgram: () => Promise<Command>): Command {
  return new Command('completion')
    .description('print a script that completes commands and options in your shell')
    .addArgument(new Argument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Where zt-risk-sync is on the PATH. For bash, with the package bash-completion:
  zt-risk-sync completion bash \\
    > ~/.local/share/bash-completion/completions/zt-risk-sync
For zsh, in a folder of $fpath; for fish:
  zt-risk-sync completion zsh > ~/.zfunc/_zt-risk-sync
  zt-risk-sync completion fish > ~/.config/fish/completions/zt-risk-sync.fish
Make the script again after an upgrade.`,
    )
    .action(async (shell: Shell) => {
      io.stdout.write(completionScript(shell, shapeOf(await wholeProgram())));
    });
}

export function shapeOf(command: Command): CommandShape {
  const help = command.createHelp();
  return {
    name: command.name(),
    about: firstClause(help.subcommandDescription(command)),
    options: help.visibleOptions(command).flatMap(({ long, description, required, optional, argChoices }) =>
      long == null
        ? []
        : [
            {
              long,
              about: firstClause(description),
              takesValue: required || optional,
              choices: argChoices ?? [],
            },
          ],
    ),
    values: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    commands: help.visibleCommands(command).map(shapeOf),
  };
}

/** Shells show one short line. */
function firstClause(text: string): string {
  return text.split(/[;:(]/)[0]!.trim();
}
