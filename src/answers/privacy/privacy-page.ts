// The record of processing as a page of sentences and tables, for a data protection officer. Pure.
import { PRUNABLE, RETENTION_VARIABLES } from '../../retention.ts';
import { dayOf } from '../scope.ts';
import { duration, plural } from '../../words.ts';
import { isAsSet, type PrivacyRecord, type PrivacySettings } from './privacy-record.ts';

export type Block =
  | { kind: 'heading' | 'text'; text: string }
  | { kind: 'list'; items: string[] }
  | { kind: 'table'; columns: { name: string; right?: boolean }[]; rows: (string | number | null)[][] };

export function privacyPage(record: PrivacyRecord, timezone: string): Block[] {
  const on = (at: Date | null) => (at === null ? null : dayOf(at, timezone));
  return [
    ...held(record, on),
    ...identities(record, on),
    ...retained(record, on),
    ...readers(record),
    ...leaving(record, on),
    ...erased(record, on),
  ];
}

type On = (at: Date | null) => string | null;

const heading = (words: string): Block => ({ kind: 'heading', text: words });
const text = (words: string): Block => ({ kind: 'text', text: words });

function held({ accounts }: PrivacyRecord, on: On): Block[] {
  if (accounts.length === 0)
    return [heading('What is held'), text('Nothing yet: no account was ever synced.')];
  return [
    heading('What is held'),
    text(
      'Of each user: the user id, the risk level (low, medium or high) and when it changed, the number of risk events and the time of the newest one. Email and name as described below. Users who lost their level stay in the history.',
    ),
    {
      kind: 'table',
      columns: [
        { name: 'account' },
        { name: 'users', right: true },
        { name: 'since' },
        { name: 'identities', right: true },
        { name: 'rejected', right: true },
        { name: 'oldest' },
      ],
      rows: accounts.map((one) => [
        one.label ?? one.account_id,
        one.user_count,
        on(one.first_seen_at),
        one.identity_count,
        one.rejected_count,
        on(one.oldest_rejected_at),
      ]),
    },
    text(
      'identities: versions of email and name. rejected: records that could not be accepted; their text is kept apart, and only the worker may read it.',
    ),
  ];
}

const MEANING = {
  full: 'emails and names are kept as Cloudflare served them',
  pseudonymous:
    'keyed hashes (HMAC-SHA-256) are kept in place of emails and names. Whoever has PII_KEY can tell whether a hash is that of a known email or name',
  none: 'no email and no name is kept',
} as const;

function identities({ accounts, settings }: PrivacyRecord, on: On): Block[] {
  return [
    heading('Emails and names'),
    ...(accounts.length === 0
      ? []
      : [
          {
            kind: 'table' as const,
            columns: [
              { name: 'account' },
              { name: 'kept' },
              { name: 'key' },
              { name: 'since' },
              { name: 'as served', right: true },
              { name: 'hashes', right: true },
            ],
            rows: accounts.map((one) => [
              one.label ?? one.account_id,
              one.is_applied ? one.mode : `${one.mode} (incomplete)`,
              one.key_id,
              on(one.mode_since),
              one.plain_count,
              one.hashed_count,
            ]),
          },
        ]),
    text(`PII_MODE is ${settings.mode}: ${MEANING[settings.mode]}.`),
    ...consequences(settings),
    ...(accounts.every((one) => isAsSet(one, settings))
      ? []
      : [
          text(
            'At least one account is kept in another way than PII_MODE and PII_KEY say, and is not synced. Run `zt-risk-sync privacy apply`.',
          ),
        ]),
  ];
}

function consequences({ mode }: PrivacySettings): Block[] {
  if (mode !== 'none') return [];
  return [
    text(
      'Without emails and names, nothing tells whose record a lookup brought. So a user who is missing is cleared only if their record is gone (404), or shows a reset that is newer than all their events. A record that merely shows no level clears nobody.',
    ),
  ];
}

function retained({ settings, whole }: PrivacyRecord, on: On): Block[] {
  const { retention, rejectedRetentionMs } = settings;
  const kept = PRUNABLE.map((part) => {
    const ms = retention[part];
    const name = RETENTION_VARIABLES[part];
    return [KEPT[part], name, ms === null ? 'for ever' : duration(ms)];
  });
  const since = whole.map(
    ({ account_id, label, dataset, whole_since }) =>
      `${label ?? account_id}: old rows of ${dataset} from before ${on(whole_since)} were pruned`,
  );
  return [
    heading('How long it is kept'),
    {
      kind: 'table',
      columns: [{ name: 'data' }, { name: 'variable' }, { name: 'kept' }],
      rows: [
        ...kept,
        ['rejected records, since last met', 'RETENTION_REJECTED', duration(rejectedRetentionMs)],
        ['state of users, counts of snapshots', null, 'for ever'],
      ],
    },
    ...(since.length === 0 ? [] : [{ kind: 'list' as const, items: since }]),
  ];
}

const KEPT = {
  activity: 'superseded event counters',
  levels: 'ended levels',
  identities: 'earlier emails and names',
  runs: 'runs',
} as const;

function readers({ readers: roles, settings }: PrivacyRecord): Block[] {
  const yes = (may: boolean) => (may ? 'yes' : 'no');
  return [
    heading('Who may read it'),
    {
      kind: 'table',
      columns: [
        { name: 'database role' },
        { name: 'signs in' },
        { name: 'levels' },
        { name: 'emails, names' },
        { name: 'rejected' },
      ],
      rows: roles.map((one) => [
        one.is_superuser ? `${one.role} (superuser)` : one.role,
        yes(one.can_login),
        yes(one.levels),
        yes(one.identities),
        yes(one.rejected),
      ]),
    },
    text(
      settings.shownOverHttp
        ? 'Pages and the API show emails and names to who has HTTP_PII_TOKEN.'
        : 'Pages and the API show no emails and no names.',
    ),
  ];
}

function leaving({ publications, copiedAt }: PrivacyRecord, on: On): Block[] {
  const items = [
    publications.length === 0
      ? 'No publication for logical replication holds emails and names.'
      : `Publications for logical replication that hold emails and names: ${publications.join(', ')}.`,
    copiedAt === null
      ? 'This program has made no copy of the whole history.'
      : `This program last made a copy of the whole history on ${on(copiedAt)}.`,
    'Exports, backups by other programs and readers with a role of their own are not known here.',
  ];
  return [heading('What leaves the database'), { kind: 'list', items }];
}

function erased({ erased: e }: PrivacyRecord, on: On): Block[] {
  if (e.finished + e.unfinished === 0) return [heading('What was erased'), text('Nobody was erased.')];
  const open = e.unfinished === 0 ? '' : ` ${plural(e.unfinished, 'erasure')} not complete: run it again.`;
  return [
    heading('What was erased'),
    text(
      `${plural(e.finished, 'person', 'people')} erased, first on ${on(e.first_at)}, last on ${on(e.last_at)}. ${plural(e.forgotten, 'of them stays', 'of them stay')} forgotten when Cloudflare serves them again.${open}`,
    ),
  ];
}
