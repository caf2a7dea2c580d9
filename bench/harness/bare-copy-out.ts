// `node bench/harness/bare-copy-out.ts <url> <file>`: COPY of the columns of the dataset activity as CSV, through the
// joins of the export, straight into a file. Times are as PostgreSQL writes them. It does nothing else.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { to } from 'pg-copy-streams';

const [url = '', file = ''] = process.argv.slice(2);
const client = new pg.Client({ connectionString: url });
await client.connect();
await pipeline(
  client.query(
    to(`copy (select a.account_id, u.user_id, t.observed_at, t.event_count, t.last_event, t.snapshot_id
                from risk.user_activity t join risk.users u using (account_key, user_key)
                join risk.accounts a using (account_key)) to stdout (format csv, header)`),
  ),
  createWriteStream(file),
);
await client.end();
