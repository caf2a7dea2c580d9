// How many rows of a list a file has. The server writes it in one go, and answers nothing else during that time. Pure.

export const ROWS_OF_A_FILE = 20_000;

/** Empty if the file has all rows. `command` is the command that writes all of them. */
export function fileNote(count: number, command: string): string {
  if (count <= ROWS_OF_A_FILE) return '';
  return `The file has the first ${ROWS_OF_A_FILE.toLocaleString('en-US')} rows. All of them: ${command}`;
}
