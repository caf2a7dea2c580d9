// The pages of people: changes, users, one user. Each reads what its address asks for, asks, and draws.
import { changeFilterOf, changesPageOf, sinceIdOf } from '../../answers/people/changes-page.ts';
import { oneUserOf } from '../../answers/people/one-user.ts';
import { usersAskedOf, usersPageOf } from '../../answers/people/users-page.ts';
import type { Db } from '../../db/handle.ts';
import { changesPage } from '../../pages/changes.ts';
import type { Html, Page } from '../../pages/page.ts';
import type { NameOf } from '../../pages/person.ts';
import { noUserPage, userPage } from '../../pages/user.ts';
import { usersPage } from '../../pages/users.ts';
import { keyOfChange } from '../../queries/levels/change-feed.ts';
import { nameKey } from '../../queries/users/names-of.ts';
import { keyOfUser, USUAL_ORDER } from '../../queries/users/user-page.ts';
import { cut, readCursor } from '../cursor.ts';
import { ChangeCursor, userCursor } from '../api/people-cursors.ts';
import { NO_IDENTITY, type Identity } from '../../user-risk.ts';

const ROWS = 50;

export async function drawChanges(db: Db, page: Page): Promise<Html> {
  const { query, identities } = page;
  const changes = await changesPageOf(db, page.scope, {
    filter: changeFilterOf((name) => query.get(name)),
    sinceId: sinceIdOf(query.get('since')),
    after: readCursor(query.get('cursor'), ChangeCursor),
    most: ROWS + 1,
    identities,
  });
  const { rows, next } = cut(changes.feed.rows, ROWS, keyOfChange);
  return changesPage(
    page,
    { ...changes, feed: { ...changes.feed, rows } },
    nameIn(changes.names, identities),
    next,
  );
}

export async function drawUsers(db: Db, page: Page, piiKey: string | null = null): Promise<Html> {
  const { query, identities } = page;
  const asked = usersAskedOf((name) => query.get(name));
  const { sort } = asked.order;
  const users = await usersPageOf(db, page.scope, {
    ...asked,
    after: readCursor(query.get('cursor'), userCursor(sort)),
    most: ROWS + 1,
    identities,
    piiKey,
  });
  const { rows, next } = cut(users.rows, ROWS, keyOfUser(sort));
  const nameOf = nameIn(users.names, identities);
  return usersPage(page, { ...users, rows }, { nameOf, next, usual: USUAL_ORDER });
}

/** `missing` is called if there is no such user. */
export async function drawUser(db: Db, page: Page, who: string, missing: () => void): Promise<Html> {
  const one = await oneUserOf(db, page.scope, who, page.identities);
  if (one !== null) return userPage(page, one);
  missing();
  return noUserPage(page, who);
}

function nameIn(names: ReadonlyMap<string, Identity>, identities: boolean): NameOf {
  return (user) => (identities ? (names.get(nameKey(user)) ?? NO_IDENTITY) : undefined);
}
