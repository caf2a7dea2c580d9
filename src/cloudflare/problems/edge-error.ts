// What Cloudflare's edge says when it answers in place of the API: a page of its own, "error code: 1020" as plain text,
// or a problem in JSON. Pure.
import * as z from 'zod';
import type { Answer } from '../exchange.ts';

export type EdgeError = { code: number | null; title: string };

const Problem = z.object({
  cloudflare_error: z.literal(true),
  error_code: z.int().nullish().catch(null),
  title: z.string().catch(''),
});

/** Null if the answer does not look like an answer of the edge. The title is not cleaned yet. */
export function readEdgeError({ text }: Pick<Answer, 'text'>, json: unknown): EdgeError | null {
  const problem = Problem.safeParse(json);
  if (problem.success) return { code: problem.data.error_code ?? null, title: problem.data.title };
  if (json !== undefined) return null;
  const words = text.slice(0, 20_000).replace(/<[^<>]*>/g, ' ');
  const code = /\berror(?:\s+code)?\s*:?\s+(1\d{3})\b/i.exec(words)?.[1];
  return code === undefined ? null : { code: Number(code), title: `Error ${code}` };
}

/** The number by which Cloudflare finds the request. Null if it is missing. */
export function rayOf({ header }: Pick<Answer, 'header'>): string | null {
  const ray = header('cf-ray')?.trim() ?? '';
  return /^[0-9a-f]{10,20}(?:-[A-Z]{3})?$/i.test(ray) ? ray : null;
}

/** The edge wants a browser to solve a challenge. Cloudflare documents this header as the only sign. */
export function isChallenge({ header }: Pick<Answer, 'header'>): boolean {
  return header('cf-mitigated')?.trim().toLowerCase() === 'challenge';
}
