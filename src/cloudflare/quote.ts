// Quotes the server's words for people: one short line without control characters, secrets, email addresses, or
// anything that could be a record.
import type { Answer } from './exchange.ts';
import { parseJson } from './responses.ts';

/**
 * One line of at most 120 characters. Control characters are removed before secrets, because they could hide a secret.
 * `secrets` is read for each text, because it may have grown.
 */
export function createCleaner(secrets: Iterable<string>): (text: string) => string {
  return (text) => {
    const line = text.slice(0, 10_000).replace(/\s+/g, ' ').replace(/\p{C}/gu, '');
    const scrubbed = patternsOf(secrets).reduce((rest, pattern) => rest.replace(pattern, '[secret]'), line);
    return [...scrubbed.replace(/[^\s@<>"']+@[^\s@<>"']+/g, '[email]').trim()].slice(0, 120).join('').trim();
  };
}

function patternsOf(secrets: Iterable<string>): RegExp[] {
  return [...secrets]
    .filter((secret) => secret !== '')
    .toSorted((a, b) => b.length - a.length)
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .map((secret) => new RegExp(secret.replace(/[^0-9a-z]/gi, '\\$&'), 'gi'));
}

/** A short extract of a body that is not a page. JSON is only described, because it may hold records. */
export function describeBody(answer: Answer, clean: (text: string) => string): string {
  if (answer.header('content-encoding') !== null && answer.text === '')
    return 'a compressed body, although compression was not asked for';
  if (answer.text.trim() === '') return 'an empty body';
  const words = clean(
    answer.text
      .slice(0, 20_000)
      .replace(/<(script|style)\b[^]*?<\/\1>/gi, ' ')
      .replace(/<[^<>]*>/g, ' ')
      .replace(/[{["][^]*$/, ''),
  );
  if (words !== '') return `"${words}"`;
  return answer.body === 'broken' || parseJson(answer.text) === undefined
    ? 'text that is not JSON in UTF-8, or incomplete JSON'
    : 'JSON of an unexpected form';
}
