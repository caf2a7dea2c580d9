// Saved answers of an account, in the forms in which people keep them.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

export type SavedRecord = Record<string, unknown>;

/** A record that is accepted. */
export function recordOf(n: number, over: SavedRecord = {}): SavedRecord {
  return {
    user_id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    email: `user${n}@example.com`,
    name: `User ${n}`,
    max_risk_level: 'low',
    event_count: 1,
    last_event: '2023-12-01T00:00:00Z',
    ...over,
  };
}

export function recordsOf(count: number, over: SavedRecord = {}): SavedRecord[] {
  return Array.from({ length: count }, (_, index) => recordOf(index + 1, over));
}

export function envelope(users: readonly SavedRecord[], info?: object): object {
  const result_info = info === undefined ? {} : { result_info: info };
  return { errors: [], messages: [], success: true, result: { users }, ...result_info };
}

/** One answer after another, each a page of this size. */
export function envelopesOf(users: readonly SavedRecord[], perPage: number, total = users.length): object[] {
  const pages = Math.max(1, Math.ceil(users.length / perPage));
  return Array.from({ length: pages }, (_, index) => {
    const page = users.slice(index * perPage, (index + 1) * perPage);
    const info = {
      page: index + 1,
      per_page: perPage,
      count: page.length,
      total_count: total,
      total_pages: pages,
    };
    return envelope(page, info);
  });
}

/** Writes the files into a new folder, and returns their paths. Text that ends in .gz is packed. */
export async function savedFiles(
  files: Readonly<Record<string, string | Buffer | object>>,
): Promise<{ folder: string; paths: string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'zt-risk-sync-saved-'));
  const paths: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    const isText = typeof content === 'string' || Buffer.isBuffer(content);
    const bytes = Buffer.from(isText ? (content as string) : JSON.stringify(content));
    const file = path.join(folder, name);
    await writeFile(file, name.endsWith('.gz') ? gzipSync(bytes) : bytes);
    paths.push(file);
  }
  return { folder, paths };
}
