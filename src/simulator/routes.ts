// The meaning of each path. Fixed names are matched before {user_id}; otherwise `summary` would be read as a user id.
import { failure, result } from './answers.ts';
import type { SimulatedAnswer } from './answers.ts';
import { BEHAVIOURS } from './behaviours.ts';
import type { World } from './world.ts';

export type Route =
  | { to: 'summary' | 'behaviors' | 'integrations'; accountId: string }
  | { to: 'user'; accountId: string; userId: string };

const PATH = /^\/client\/v4\/accounts\/([^/]+)\/zt_risk_scoring\/([^/]+)\/?$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Null if the path has no route. */
export function routeOf(path: string): Route | null {
  const [, accountId = '', last = ''] = PATH.exec(path) ?? [];
  if (last === 'summary' || last === 'behaviors' || last === 'integrations') return { to: last, accountId };
  return UUID.test(last) ? { to: 'user', accountId, userId: last.toLowerCase() } : null;
}

export function userRecord(world: World, userId: string, instant: Date): SimulatedAnswer {
  const record = world.user(userId, instant);
  // Not 7003, which would say that the account is wrong.
  return record === null ? failure(404, 1002, 'User not found') : result(record);
}

export function behaviours(): SimulatedAnswer {
  const entries = BEHAVIOURS.map(({ id, name, risk_level }) => [
    id,
    { name, description: name, enabled: true, risk_level },
  ]);
  return result({ behaviors: Object.fromEntries(entries) });
}
