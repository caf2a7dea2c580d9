// What `publication` prints: what is published, who reads it, and what to type next. Pure, but for the output.
import type { PublicationState } from '../../queries/replication/publication-state.ts';
import type { ReplicationSlot, SlotLimits } from '../../queries/replication/replication-slots.ts';
import type { PublicationDropped, PublicationMade } from '../../upkeep/publication.ts';
import { dataSize, plural, printable } from '../../words.ts';
import { table } from '../table.ts';
import type { View } from '../view.ts';
import { wrap } from '../wrap.ts';

type Out = NodeJS.WritableStream;

export const DEFAULT_PUBLICATION = 'zt_risk_sync';

export function printMade(out: Out, name: string, { before, after }: PublicationMade, view: View): void {
  const was = (one: string) => before.tables.some((t) => t.published && t.table === one);
  const added = after.tables.filter((t) => t.published && !was(t.table)).map((t) => t.table);
  const all = plural(after.tables.filter(({ published }) => published).length, 'table');
  const what = !before.exists
    ? `made, with ${all} of schema risk`
    : added.length === 0
      ? `up to date, with ${all} of schema risk`
      : `added ${added.join(', ')}: now ${all} of schema risk`;
  const say = (text: string) => out.write(`${wrap(text, 2, view.textWidth)}\n`);
  say(`publication ${name}: ${what}`);
  say(personalWords(after));
  const group = isPersonal(after) ? 'risk_pii_reader' : 'risk_reader';
  out.write(`
A login for the reader (the roles come from \`migrate --roles\`):
  create role <login> login replication password '...' in role ${group};
`);
  say(
    `\nThis login can read all changes of this database, those of other tables and of emails and names included: replication knows no grants. Give it only to a reader that may.`,
  );
  out.write(`
In a second PostgreSQL, once \`zt-risk-sync migrate\` has made the tables there:
  create subscription ${name}
    connection 'host=... dbname=... user=<login> password=...'
    publication ${name};

In Debezium:
  plugin.name=pgoutput
  publication.name=${name}
  publication.autocreate.mode=disabled
  slot.name=<one name for each reader>
`);
  if (before.exists && added.length > 0)
    out.write(`
A subscription that is already there learns of the new tables by:
  alter subscription ${name} refresh publication;
`);
  out.write(`
How each tool reads it: docs/feeds.md. Who reads it: publication status
`);
}

export function printPublication(
  out: Out,
  name: string,
  state: PublicationState,
  { slots, maxSlotWalKeepSize }: SlotLimits,
  view: View,
): void {
  const say = (text: string) => out.write(`${wrap(text, 2, view.textWidth)}\n`);
  say(
    state.walLevel === 'logical'
      ? 'wal_level: logical'
      : `wal_level: ${state.walLevel}. Nobody can read a publication: it must be logical, and a change needs a restart of the server`,
  );
  if (!state.exists) say(`publication ${name}: there is none. Make it with: ${createWords(name)}`);
  else if (state.isForeign)
    say(`publication ${name}: not one of this program. It holds other tables, or leaves something out`);
  else publishedLines(name, state).forEach(say);
  const broken = state.tables.filter(({ published, identity }) => published && identity === 'nothing');
  if (broken.length > 0)
    say(
      `without a replica identity, so that syncs fail: ${names(broken)}. Fix it with: ${createWords(name)}`,
    );
  if (slots.length === 0) return void say('replication slots of this database: none, so nobody reads it');
  out.write(`\n${slotTable(slots, view)}\n\n`);
  say(
    'The server keeps the WAL that the reader of a slot has not confirmed. Which publication a slot reads, only its reader knows.',
  );
  say(
    maxSlotWalKeepSize === '-1'
      ? 'max_slot_wal_keep_size is -1: a slot that nobody reads fills the disk in the end'
      : `max_slot_wal_keep_size is ${maxSlotWalKeepSize}: a slot that needs more is lost`,
  );
}

/** The default name is not repeated. */
function createWords(name: string): string {
  return name === DEFAULT_PUBLICATION ? 'publication create' : `publication create --name ${name}`;
}

function publishedLines(name: string, state: PublicationState): string[] {
  const published = state.tables.filter((one) => one.published);
  const missing = state.tables.filter((one) => !one.published && !one.personal);
  const lines = [
    `publication ${name}: ${plural(published.length, 'table')} of schema risk: ${names(published)}`,
  ];
  lines.push(personalWords(state));
  if (missing.length > 0) lines.push(`not published: ${names(missing)}. Add with: ${createWords(name)}`);
  return lines;
}

function isPersonal({ tables }: PublicationState): boolean {
  return tables.some(({ published, personal }) => published && personal);
}

function personalWords(state: PublicationState): string {
  return isPersonal(state)
    ? 'emails and names: published (user_identities)'
    : 'emails and names: not published (--identities adds them)';
}

function names(tables: readonly { table: string }[]): string {
  return tables.map((one) => printable(one.table)).join(', ');
}

function slotTable(slots: readonly ReplicationSlot[], view: View): string {
  const size = (bytes: number | null) => (bytes === null ? null : dataSize(bytes));
  return table(
    [
      { name: 'slot', shrinks: true },
      { name: 'reader' },
      { name: 'behind', right: true },
      { name: 'WAL kept', right: true },
      { name: 'WAL' },
      { name: 'plugin', extra: true },
      { name: 'inactive since', extra: true },
    ],
    slots.map((slot) => [
      slot.slot,
      slot.active ? 'connected' : 'away',
      size(slot.lag_bytes),
      size(slot.held_bytes),
      slot.wal_status,
      slot.plugin,
      slot.inactive_since === null ? null : view.time(slot.inactive_since),
    ]),
    view.width,
  );
}

/** The same as JSON. */
export function publicationAnswer(name: string, state: PublicationState, limits: SlotLimits): object {
  return {
    name,
    exists: state.exists,
    is_foreign: state.isForeign,
    wal_level: state.walLevel,
    identities: isPersonal(state),
    tables: state.tables,
    max_slot_wal_keep_size: limits.maxSlotWalKeepSize,
    slots: limits.slots,
  };
}

export function printDropped(
  out: Out,
  name: string,
  { existed, slots }: PublicationDropped,
  view: View,
): void {
  out.write(existed ? `publication ${name}: dropped\n` : `publication ${name}: there was none\n`);
  if (slots.length === 0) return;
  out.write(
    `${wrap('These slots stay, and the server keeps WAL for them. Drop those that no reader needs any more:', 2, view.textWidth)}\n`,
  );
  for (const { slot } of slots) out.write(`  select pg_drop_replication_slot('${slot}');\n`);
}
