// The beginning of a user id as people type it: with or without dashes, in either case. Pure.

const SHAPE = '00000000-0000-0000-0000-000000000000';

/** The lowest and the highest id that begin with the text. Null if no id can. */
export function idRangeOf(text: string): [string, string] | null {
  const digits = text.toLowerCase().replaceAll('-', '');
  const isId = /^[0-9a-f]{1,32}$/.test(digits) && hasDashesInPlace(text);
  return isId ? [uuid(digits, '0'), uuid(digits, 'f')] : null;
}

/** Dashes are at their places, or absent. */
function hasDashesInPlace(text: string): boolean {
  return !text.includes('-') || SHAPE.startsWith(text.replace(/[^-]/g, '0'));
}

function uuid(digits: string, fill: string): string {
  return digits.padEnd(32, fill).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
