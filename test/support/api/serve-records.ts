// A page of the summary as the client passes it on, for servers inside the test's own process.
import type { SummaryPage } from '../../../src/cloudflare/client.ts';
import type { OpenReader, RecordReader } from '../../../src/cloudflare/endpoints/summary/record-reader.ts';
import { tallyPage } from '../../../src/cloudflare/paging/tally-page.ts';

type Info = SummaryPage<unknown>['info'];

export function pageOf<T>(records: readonly unknown[], info: Info, reader: RecordReader<T>): SummaryPage<T> {
  const tally = tallyPage(reader);
  for (const record of records) tally.add(record);
  return { ...tally.end(), info, bytes: 0 };
}

export async function serveRecords<T>(
  records: readonly unknown[],
  info: Info,
  openReader: OpenReader<T>,
): Promise<SummaryPage<T>> {
  return pageOf(records, info, await openReader());
}
