// The format of a backup. A backup that was cut off or changed anywhere is never mistaken for a complete one.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isOperatorError } from '../../src/errors.ts';
import { framesOf, readFrames } from '../../src/move/backup-frames.ts';
import type { MovedHistory, HistoryHead } from '../../src/move/history.ts';

const HEAD: HistoryHead = {
  version: '1.0.0',
  created_at: '2026-11-01T00:00:00.000Z',
  migrations: [{ hash: 'a', created_at: 1 }],
  clock: { value: '9007199254740993', epoch: '00000000-0000-4000-8000-000000000001' },
  sequences: [{ name: 'risk_internal.run_ids', last_value: '7', is_called: true }],
  tables: ['risk.accounts', 'risk.users'].map((name) => ({ name, columns: ['a'], rows: 1, checksum: '1' })),
};

type Contents = { head: HistoryHead; tables: Buffer[] };

function historyOf(tables: readonly Uint8Array[][]): MovedHistory {
  return {
    head: HEAD,
    async *rowsOf({ name }) {
      for (const chunk of tables[HEAD.tables.findIndex((table) => table.name === name)] ?? [])
        yield Buffer.from(chunk);
    },
    requireWhole: async () => undefined,
  };
}

async function collected(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

async function bytesOf(tables: readonly Uint8Array[][]): Promise<Buffer> {
  return Buffer.concat(await collected(framesOf(historyOf(tables), () => undefined)));
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(bytes: Buffer, size: number): Promise<Contents> {
  const history = await readFrames(inPieces(bytes, size));
  const tables: Buffer[] = [];
  for (const table of history.head.tables) tables.push(Buffer.concat(await collected(history.rowsOf(table))));
  await history.requireWhole();
  return { head: history.head, tables };
}

const chunks = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 });
const contents = fc.tuple(chunks, chunks);
const piece = fc.integer({ min: 1, max: 300 });

describe('the frames of a backup', () => {
  test('give back the head and every byte of every table, in pieces of any size', async () => {
    await fc.assert(
      fc.asyncProperty(contents, piece, async (tables, size) => {
        const read = await readAll(await bytesOf(tables), size);
        assert.deepEqual(read, { head: HEAD, tables: tables.map((table) => Buffer.concat(table)) });
      }),
    );
  });

  test('are refused as damaged if they are cut off anywhere, or if one bit is changed', async () => {
    await fc.assert(
      fc.asyncProperty(contents, piece, fc.nat(), fc.option(fc.nat(7)), async (tables, size, place, bit) => {
        const whole = await bytesOf(tables);
        const at = place % whole.length;
        const changed = Buffer.from(bit === null ? whole.subarray(0, at) : whole);
        if (bit !== null) changed[at]! ^= 1 << bit;
        await assert.rejects(readAll(changed, size), (error) => {
          assert.ok(isOperatorError(error), String(error));
          return error.code === 'BACKUP_DAMAGED';
        });
      }),
      { numRuns: 500 },
    );
  });

  test('hold no name that could be more than a name in a statement', async () => {
    for (const name of [
      'risk.users; drop',
      'public.users',
      'risk."users"',
      'risk.Users',
      'pg_catalog.pg_class',
    ]) {
      const head = { ...HEAD, tables: [{ ...HEAD.tables[0]!, name }] };
      const bytes = await collected(framesOf({ ...historyOf([]), head }, () => undefined));
      await assert.rejects(readAll(Buffer.concat(bytes), 100), { code: 'BACKUP_DAMAGED' });
    }
  });
});
