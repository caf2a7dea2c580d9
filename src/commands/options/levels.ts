// Options that choose levels and kinds of changes. All are repeatable.
import { InvalidArgumentError, Option } from 'commander';
import { CHANGES, RISK_LEVELS } from '../../user-risk.ts';

/** Worst first. */
export const LEVELS: readonly string[] = RISK_LEVELS.toReversed();
export const LEVELS_AND_CLEARED: readonly string[] = [...LEVELS, 'cleared'];

export function changeOption(): Option {
  return repeatable('--change <change>', 'only changes of this kind', CHANGES);
}

/** Option.choices() alone would keep only the last choice. */
export function repeatable(
  flag: string,
  what: string,
  choices: readonly string[],
  otherwise = 'all',
): Option {
  return new Option(flag, `${what} (repeatable)`)
    .choices(choices)
    .argParser((text: string, chosen: string[]) => {
      if (!choices.includes(text))
        throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.`);
      return [...chosen, text];
    })
    .default([], otherwise);
}
