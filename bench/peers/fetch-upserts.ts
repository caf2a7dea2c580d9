// fetch and Drizzle, upserts of 1,000 rows: fetch-upserts <api> <account> <per page> <database url>
import { openUsers, type User } from './users-table.ts';

const [api = '', account = '', perPage = '', database = ''] = process.argv.slice(2);
const ROWS = 1_000;

type Page = { success: boolean; result: { users: User[] }; result_info: { total_pages: number } };

const table = await openUsers(database);
// By id, because one statement must not touch a row twice.
let waiting = new Map<string, User>();
for (let page = 1, pages = 1; page <= pages; page++) {
  const response = await fetch(
    `${api}/accounts/${account}/zt_risk_scoring/summary?page=${page}&per_page=${perPage}`,
  );
  const body = (await response.json()) as Page;
  if (!response.ok || !body.success) throw new Error(`page ${page}: ${response.status}`);
  pages = body.result_info.total_pages;
  for (const user of body.result.users) waiting.set(user.user_id, user);
  if (waiting.size >= ROWS || page === pages) {
    if (waiting.size > 0) await table.upsert([...waiting.values()]);
    waiting = new Map();
  }
}
await table.close();
