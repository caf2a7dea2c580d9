// The migrations folder in the format of drizzle-kit: SQL files, a journal with their order, and a snapshot of the
// schema for each.
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ReleasedMigration } from '../../src/db/released-migrations.ts';

type Entry = { idx: number; version: string; when: number; tag: string; breakpoints: boolean };
type Journal = { version: string; dialect: string; entries: Entry[] };

export type Migration = ReleasedMigration & { text: string };

/** In the order in which they are applied. */
export function readMigrations(folder: string): Migration[] {
  return readJournal(folder).entries.map(({ tag, when }) => {
    const text = readFileSync(path.join(folder, `${tag}.sql`), 'utf8');
    return { file: `${tag}.sql`, when, text, sha256: createHash('sha256').update(text).digest('hex') };
  });
}

/** Adds a migration that does not change the tables, so its snapshot equals the one before. Returns its file name. */
export function appendMigration(folder: string, name: string, text: string): string {
  const journal = readJournal(folder);
  const last = journal.entries.at(-1);
  if (last === undefined) throw new Error('the journal is empty: make the first migration with drizzle-kit');
  const idx = last.idx + 1;
  const tag = `${nth(idx)}_${name}`;
  const when = Math.max(Date.now(), last.when + 1);
  journal.entries.push({ ...last, idx, when, tag });
  const before = readJson(snapshotFile(folder, last.idx)) as { id: string };
  writeJson(snapshotFile(folder, idx), { ...before, id: randomUUID(), prevId: before.id });
  writeFileSync(path.join(folder, `${tag}.sql`), text);
  writeJson(journalFile(folder), journal);
  return `${tag}.sql`;
}

export function removeLastMigration(folder: string): void {
  const journal = readJournal(folder);
  const last = journal.entries.pop();
  if (last === undefined) return;
  writeJson(journalFile(folder), journal);
  rmSync(snapshotFile(folder, last.idx));
  rmSync(path.join(folder, `${last.tag}.sql`));
}

function readJournal(folder: string): Journal {
  return readJson(journalFile(folder)) as Journal;
}

function journalFile(folder: string): string {
  return path.join(folder, 'meta', '_journal.json');
}

function snapshotFile(folder: string, idx: number): string {
  return path.join(folder, 'meta', `${nth(idx)}_snapshot.json`);
}

function nth(idx: number): string {
  return String(idx).padStart(4, '0');
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Writes in the format of drizzle-kit, so that its next write changes nothing else. */
function writeJson(file: string, value: unknown): void {
  writeFileSync(file, JSON.stringify(value, null, 2));
}
