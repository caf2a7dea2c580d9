// Completion for bash, zsh and fish, made from the shape of the commands. Pure: a new option needs no line here.

export type CommandShape = {
  name: string;
  about: string;
  options: OptionShape[];
  /** The possible arguments, if they are known. */
  values: readonly string[];
  commands: CommandShape[];
};

export type OptionShape = {
  /** "--format" */
  long: string;
  about: string;
  takesValue: boolean;
  /** Empty: any text. */
  choices: readonly string[];
};

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell, program: CommandShape): string {
  const places = placesOf(program);
  return { bash, zsh, fish }[shell](program.name, places);
}

/** A command with its path: " accounts list", and "" for the program itself. */
type Place = { path: string; command: CommandShape };

function placesOf(command: CommandShape, path = ''): Place[] {
  const inner = command.commands.flatMap((child) => placesOf(child, `${path} ${child.name}`));
  return [{ path, command }, ...inner];
}

function bash(program: string, places: readonly Place[]): string {
  return `# bash completion for ${program}. Made by: ${program} completion bash
_zt_risk_sync() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} at='' words='' i
  # Bash splits --format=json at the sign.
  if [[ $cur == '=' ]]; then cur=''; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at \${COMP_WORDS[i]}" in
      ${paths(places)}) at="$at \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$at $prev" in
${valueCases(places, (choices) => `words=${quote(choices.join(' '))}`)}
    *) case "$at" in
${places.map(({ path, command }) => `      ${quote(path)}) words=${quote(wordsOf(command).join(' '))} ;;`).join('\n')}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _zt_risk_sync ${program}
`;
}

function zsh(program: string, places: readonly Place[]): string {
  const found = ({ path, command }: Place) => {
    const words = [
      ...command.commands.map(({ name, about }) => `${name}:${about}`),
      ...command.values,
      ...command.options.map(({ long, about }) => `${long}:${about}`),
    ];
    return `      ${quote(path)}) found=(${words.map(quote).join(' ')}) ;;`;
  };
  return `#compdef ${program}
# zsh completion for ${program}. Made by: ${program} completion zsh
_zt_risk_sync() {
  local at='' prev=\${words[CURRENT - 1]} i
  local -a found
  if [[ \${words[CURRENT]} == --*=* ]]; then prev=\${words[CURRENT]%%=*}; compset -P '*='; fi
  for ((i = 2; i < CURRENT; i++)); do
    case "$at \${words[i]}" in
      ${paths(places)}) at="$at \${words[i]}" ;;
    esac
  done
  case "$at $prev" in
${valueCases(places, (choices) => `found=(${choices.map(quote).join(' ')})`)}
    *) case "$at" in
${places.map(found).join('\n')}
    esac ;;
  esac
  _describe ${program} found
}
if [[ \${funcstack[1]} == _zt_risk_sync ]]; then _zt_risk_sync "$@"; else compdef _zt_risk_sync ${program}; fi
`;
}

function fish(program: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, command }) => {
    const here = `complete -c ${program} -n ${fishQuote(`__zt_risk_sync_at${path}`)}`;
    return [
      ...command.commands.map(({ name, about }) => `${here} -a ${name} -d ${fishQuote(about)}`),
      ...command.values.map((value) => `${here} -a ${fishQuote(value)}`),
      ...command.options.map(({ long, about, takesValue, choices }) => {
        const value = !takesValue
          ? ''
          : choices.length === 0
            ? ' -x'
            : ` -x -a ${fishQuote(choices.join(' '))}`;
        return `${here} -l ${long.slice(2)}${value} -d ${fishQuote(about)}`;
      }),
    ];
  });
  const known = places.slice(1).map(({ path }) => fishQuote(path.trim()));
  return `# fish completion for ${program}. Made by: ${program} completion fish
function __zt_risk_sync_at
    set -l at
    for word in (commandline -opc)[2..-1]
        switch "$(string join -- ' ' $at $word)"
            case ${known.join(' ')}
                set at $at $word
        end
    end
    test "$at" = "$argv"
end
complete -c ${program} -f
${lines.join('\n')}
`;
}

/** Patterns of `case`: every path but the program's own. */
function paths(places: readonly Place[]): string {
  return places
    .slice(1)
    .map(({ path }) => quote(path))
    .join(' | ');
}

/** Branches of `case` for what follows an option that takes a value. */
function valueCases(places: readonly Place[], offer: (choices: readonly string[]) => string): string {
  return places
    .flatMap(({ path, command }) =>
      command.options
        .filter(({ takesValue }) => takesValue)
        .map(({ long, choices }) => `    ${quote(`${path} ${long}`)}) ${offer(choices)} ;;`),
    )
    .join('\n');
}

function wordsOf({ commands, values, options }: CommandShape): string[] {
  return [...commands.map(({ name }) => name), ...values, ...options.map(({ long }) => long)];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** In single quotes, fish knows two escapes: of the quote, and of the backslash. */
function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
