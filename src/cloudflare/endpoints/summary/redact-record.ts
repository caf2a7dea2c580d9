// What is kept of a rejected record if no email and no name may be kept: its fields, their kinds, and the values that
// cannot be personal data. A wrong record may hold anything anywhere, so only the form of a text is kept.
import { IDENTITY_FIELDS, mapIdentity, type UserRisk } from '../../../user-risk.ts';
import { DeepRecord } from './record-reader.ts';

/** Such a text is not JSON, so that no reader mistakes it for the record as served. */
export const REDACTED = '[without personal data]';

/** Short, and safe for a text column. */
export function redactRecord(raw: unknown): string {
  const record = raw instanceof DeepRecord ? raw.rest : raw;
  if (typeof record !== 'object' || record === null || Array.isArray(record))
    return `${REDACTED} ${kindOf(record)}`;
  const fields = record as Record<string, unknown>;
  const kept: Record<string, unknown> = {};
  for (const [name, isHarmless] of Object.entries(FIELDS))
    if (Object.hasOwn(fields, name))
      kept[name] =
        PERSONAL.has(name) && fields[name] !== null
          ? `[${kindOf(fields[name])}]`
          : redact(fields[name], (text) => isHarmless(text, fields));
  const others = Object.keys(fields).filter((name) => !Object.hasOwn(FIELDS, name)).length;
  if (others > 0) kept['other_fields'] = others;
  return `${REDACTED} ${JSON.stringify(kept)}`;
}

function redact(value: unknown, isHarmless: (text: string) => boolean): unknown {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  return typeof value === 'string' && isHarmless(value) ? value : `[${kindOf(value)}]`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  if (value === null) return 'null';
  return typeof value === 'string' ? 'text' : typeof value;
}

/** For these, not even a number is kept. */
const PERSONAL: ReadonlySet<string> = new Set(IDENTITY_FIELDS);

/** For each field that this version knows: whether a text in it cannot be an email or a name. */
const FIELDS: Readonly<Record<keyof UserRisk, (text: string, record: Record<string, unknown>) => boolean>> = {
  user_id: (text) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  ...mapIdentity(() => () => false),
  // A level that this version does not know is a word. That word must not be a part of the person's name.
  max_risk_level: (text, record) =>
    /^[a-z]{1,16}$/.test(text) &&
    !isWithin(
      text,
      IDENTITY_FIELDS.map((field) => record[field]),
    ),
  event_count: () => false,
  last_event: (text) => /^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt0-9:.+Zz -]{0,40}$/.test(text),
};

function isWithin(text: string, values: readonly unknown[]): boolean {
  return values.some((value) => typeof value === 'string' && value.toLowerCase().includes(text));
}
