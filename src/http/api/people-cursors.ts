// The content of the cursors of lists of people: the sort key of the last row that was sent.
import * as z from 'zod';
import type { ChangeKey } from '../../queries/levels/change-feed.ts';
import type { EpisodeKey } from '../../queries/users/episodes.ts';
import type { Sort, UserPageKey } from '../../queries/users/user-page.ts';

const instant = z.iso.datetime();
const account = z.string().max(100);
const user = z.guid();
const whole = z.int().min(0).max(2_147_483_647);

export const ChangeCursor: z.ZodType<ChangeKey> = z.tuple([instant, account, user]);
export const EpisodeCursor: z.ZodType<EpisodeKey> = z.tuple([instant, account, user]);

const USER_CURSORS: Readonly<Record<Sort, z.ZodType<UserPageKey>>> = {
  level: z.tuple([whole, instant, account, user]),
  level_since: z.tuple([instant, account, user]),
  event_count: z.tuple([whole, account, user]),
  last_event: z.tuple([instant, account, user]),
  first_seen_at: z.tuple([instant, account, user]),
};

export function userCursor(sort: Sort): z.ZodType<UserPageKey> {
  return USER_CURSORS[sort];
}
