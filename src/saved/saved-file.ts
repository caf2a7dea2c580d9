// A file of saved answers on the disk, and the ways in which it can be unreadable. Messages use the name that was
// given, so that a person finds the file. Its content is never quoted.
import { OperatorError, type ErrorCode } from '../errors.ts';
import { printable } from '../words.ts';

export type SavedFile = {
  /** The name as it was given. */
  name: string;
  /** Opened again for each reading. */
  open: () => AsyncIterable<Uint8Array>;
};

/** For messages, which may end in a log: without an email in it. */
export function shown({ name }: Pick<SavedFile, 'name'>): string {
  return printable(name).replace(/[^\s@/\\]+@[^\s@/\\]+/g, '[email]');
}

const MEANS = 'Nothing of these files was imported';

/** The file cannot be read as bytes. `why` completes "… cannot be read". */
export function unreadableFile(
  file: Pick<SavedFile, 'name'>,
  why: string,
  todo: string,
  cause?: unknown,
): OperatorError {
  return savedError('IMPORT_UNREADABLE', `${shown(file)} cannot be read: ${why}`, todo, cause);
}

/** The file can be read, but is no saved answer of the summary. */
export function notSummary(file: Pick<SavedFile, 'name'>, what: string, todo: string): OperatorError {
  return savedError('IMPORT_NOT_SUMMARY', `${shown(file)} ${what}`, todo);
}

export function savedError(code: ErrorCode, happened: string, todo: string, cause?: unknown): OperatorError {
  return new OperatorError({ code, happened, means: MEANS, todo, cause });
}
