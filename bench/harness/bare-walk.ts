// `node bench/harness/bare-walk.ts <url> <account> <per page>`: reads, parses and counts every page once, and keeps
// nothing.
import { Agent, get } from 'node:http';
import { text } from 'node:stream/consumers';

type Page = { result: { users: unknown[] }; result_info: { total_pages: number } };

const [url = '', accountId = '', perPage = ''] = process.argv.slice(2);
const SIDE_BY_SIDE = 4;
const agent = new Agent({ keepAlive: true, maxSockets: SIDE_BY_SIDE });

const first = await page(1);
let users = first.result.users.length;
let next = 2;
await Promise.all(
  Array.from({ length: SIDE_BY_SIDE }, async () => {
    while (next <= first.result_info.total_pages) users += (await page(next++)).result.users.length;
  }),
);
agent.destroy();
process.stdout.write(`${users}\n`);

function page(number: number): Promise<Page> {
  const address = `${url}/accounts/${accountId}/zt_risk_scoring/summary?page=${number}&per_page=${perPage}`;
  return new Promise((resolve, reject) => {
    get(address, { agent }, (response) => {
      text(response).then((body) => resolve(JSON.parse(body) as Page), reject);
    }).on('error', reject);
  });
}
