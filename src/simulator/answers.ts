// The shapes of the simulator's answers: Cloudflare's envelope around results and errors. Never echoes the request.

export type SimulatedAnswer = {
  status: number;
  body: string;
  type: string;
  headers?: Record<string, string>;
};

export function result(value: unknown, info?: object): SimulatedAnswer {
  return json(200, {
    errors: [],
    messages: [],
    success: true,
    result: value,
    ...(info === undefined ? {} : { result_info: info }),
  });
}

export function failure(
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
): SimulatedAnswer {
  return {
    ...json(status, { success: false, errors: [{ code, message }], messages: [], result: null }),
    headers,
  };
}

export function throttledAnswer(retryAfterSeconds: number): SimulatedAnswer {
  return failure(429, 971, 'Please wait and consider throttling your request speed', {
    'Retry-After': String(retryAfterSeconds),
  });
}

/** The page that Cloudflare's edge shows when the server behind it did not answer. */
export function edgePage(status: number, title: string): SimulatedAnswer {
  const body = `<!DOCTYPE html>\n<html><head><title>${status}: ${title}</title></head><body><h1>${title}</h1></body></html>\n`;
  return { status, body, type: 'text/html; charset=UTF-8' };
}

/** The challenge for browsers that Cloudflare's edge puts in front of a host that it suspects. */
export function challengePage(): SimulatedAnswer {
  return { ...edgePage(403, 'Just a moment...'), headers: { 'cf-mitigated': 'challenge', ...RAY } };
}

/** The answer of the edge to a blocked request that accepts JSON. */
export function blockedAnswer(code: number): SimulatedAnswer {
  const problem = { title: `Error ${code}: Access denied`, status: 403, error_code: code };
  const answer = json(403, { ...problem, cloudflare_error: true, retryable: false });
  return { ...answer, headers: RAY };
}

const RAY = { 'cf-ray': '8f0c1d2e3a4b5c6d-SIM' };

function json(status: number, body: object): SimulatedAnswer {
  return { status, body: JSON.stringify(body), type: 'application/json' };
}
