// The parameters that many resources share, with what the OpenAPI document says about them.
import { z } from '@hono/zod-openapi';
import { RANGE_NAMES } from '../../answers/scope.ts';
import { WHEN_HELP } from '../../time/when.ts';

const FORMATS = ['json', 'csv'] as const;

/** An HTML form sends every field, and an empty one means that nothing was chosen. */
const text = (description: string, example?: string) =>
  z
    .string()
    .max(200)
    .optional()
    .openapi({ description, ...(example && { example }) });

export const account = text(
  'Id, beginning of the id, or label of one account. Without it: all accounts that are not retired.',
);
export const tz = text(
  'Time zone, in which days and hours begin and times without an offset are read. Usually UTC.',
  'Europe/Berlin',
);
export const format = z
  .enum(FORMATS)
  .optional()
  .openapi({ description: 'csv: the rows as a file. The header Accept: text/csv does the same.' });

/** One account or all accounts, with a time zone. */
export const About = z.object({ account, tz, format });

/** A span of time as well. */
export const Spanned = About.extend({
  range: text(`The span up to now: ${RANGE_NAMES.join(', ')}.`, '7d'),
  from: text(`Begin of the span: ${WHEN_HELP}. It replaces range.`, '2026-03-01'),
  to: text('End of the span, not included; in the same form. Without it: now.'),
});

/** A number in an address. Only digits: JavaScript also reads `1e2`, ` 1` and `0x64` as numbers. */
export function wholeNumberParameter(low: number, high: number) {
  const message = `must be a whole number from ${low} to ${high}, in decimal digits`;
  return z
    .string()
    .regex(/^\d{1,16}$/, message)
    .transform(Number)
    .refine((value) => value >= low && value <= high, message)
    .openapi({ type: 'integer', minimum: low, maximum: high });
}

export const MOST_PAGE_ROWS = 1_000;

/** For lists that are sent in pages. */
export const Paged = z.object({
  limit: wholeNumberParameter(1, MOST_PAGE_ROWS)
    .optional()
    .openapi({ description: `Rows in one answer, up to ${MOST_PAGE_ROWS}. Usually 100.` }),
  cursor: text('Where the rows continue: next_cursor of the answer before.'),
});

/** One of a few words. A form sends an empty text if nothing was chosen. */
export function choiceOf<const Words extends readonly [string, ...string[]]>(
  words: Words,
  description: string,
) {
  return z
    .enum([...words, ''])
    .optional()
    .openapi({ description });
}
