// The probes of orchestrators. Anyone may call them, so the answers hold no account, user or secret.
import { Hono } from 'hono';
import type { Readiness } from './readiness.ts';

export function probes(deps: {
  version: string;
  isStopping(): boolean;
  readiness(): Promise<Readiness>;
}): Hono {
  return new Hono()
    .get('/livez', (c) => c.json({ status: 'ok', version: deps.version }))
    .get('/readyz', async (c) => {
      if (deps.isStopping()) return c.json({ status: 'stopping' }, 503);
      const found = await deps.readiness();
      return c.json(found, found.status === 'ready' ? 200 : 503);
    });
}
