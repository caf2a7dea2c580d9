// The fields of a record as tests read them back: the one list for current states and rebuilt snapshots. The oracle has a
// list of its own.
import type { UserRisk } from '../../../src/user-risk.ts';

const FIELDS: Record<keyof UserRisk, string> = {
  user_id: 'user_id',
  email: 'email',
  name: 'name',
  max_risk_level: 'max_risk_level',
  event_count: 'event_count',
  last_event: `to_char(last_event at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_event`,
};

/** For a SELECT list, with the API's names and times. */
export const RECORD_COLUMNS = Object.values(FIELDS).join(', ');

/** Its columns have the API's names; `absent` is an extra column. By user id. Parameter: the account's id. */
export const PRESENT_USERS = `select ${RECORD_COLUMNS}, u.absent_since is not null as absent
  from risk.users u join risk.accounts a using (account_key)
  left join risk.user_identities i on i.account_key = u.account_key and i.user_key = u.user_key and i.valid_to is null
 where a.account_id = $1 and u.max_risk_level is not null order by user_id`;

/** Equal for equal records. */
export function recordText(user: UserRisk | undefined): string {
  return JSON.stringify((Object.keys(FIELDS) as (keyof UserRisk)[]).map((field) => user?.[field]));
}
