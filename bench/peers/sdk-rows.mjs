// Cloudflare's SDK, one upsert per row: sdk-rows <api> <account> <per page> <database url>
// The SDK returns `result` without `result_info`, so the walk ends at the first page without users.
import Cloudflare from 'cloudflare';
import { openUsers } from './users-table.ts';

const [api, account_id, per_page, database] = process.argv.slice(2);
const client = new Cloudflare({ apiToken: 'simulated-token', baseURL: api });
const table = await openUsers(database);
for (let page = 1; ; page++) {
  const summary = await client.zeroTrust.riskScoring.summary.get(
    { account_id },
    { query: { page, per_page } },
  );
  const users = summary.users ?? [];
  if (users.length === 0) break;
  for (const user of users) await table.upsert([user]);
}
await table.close();
