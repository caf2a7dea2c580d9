// How many rows of a list a file has. It is written in one go, and nothing else is answered meanwhile. Pure.

export const ROWS_OF_A_FILE = 20_000;

/** Empty if the file has all rows. `command` writes all of them. */
export function fileNote(count: number, command: string): string {
  if (count <= ROWS_OF_A_FILE) return '';
  return `The file has the first ${ROWS_OF_A_FILE.toLocaleString('en-US')} rows. All of them: ${command}`;
}
