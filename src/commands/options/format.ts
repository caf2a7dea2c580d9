// The options that say how much is printed, and how.
import { InvalidArgumentError, Option } from 'commander';

export function formatOption(): Option {
  return new Option('--format <format>', 'how to print').choices(['table', 'json', 'csv']).default('table');
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
