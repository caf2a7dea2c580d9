// An error as fields of a log line.
import { isOperatorError } from '../errors.ts';
import { errorFields, type Logger } from '../logger.ts';

export function troubleFields(error: unknown, logger: Pick<Logger, 'isLevelEnabled'>) {
  return isOperatorError(error)
    ? { error_code: error.code, problem: error.happened, todo: error.todo }
    : { error_code: 'UNEXPECTED', ...errorFields(error, logger.isLevelEnabled('debug')) };
}
