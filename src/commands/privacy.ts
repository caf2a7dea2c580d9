// `privacy show`: the record of processing. `privacy apply` is in a file of its own.
import { Command, Option } from 'commander';
import { privacyPage } from '../answers/privacy/privacy-page.ts';
import { privacyRecord, type PrivacySettings } from '../answers/privacy/privacy-record.ts';
import type { Config } from '../config.ts';
import type { Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { piiHashes } from '../pii-policy.ts';
import { privacyMarkdown, privacyText } from '../terminal/print/upkeep/print-privacy.ts';
import { json } from '../terminal/table.ts';
import { viewOf } from '../terminal/view.ts';
import { VERSION } from '../version.ts';
import { timezoneOption } from './options/times.ts';
import { withDatabase } from './options/with-history.ts';

type ShowOptions = { timezone?: string; format: 'table' | 'markdown' | 'json' };

export function privacyCommand(io: Io): Command {
  const command = new Command('privacy').description(
    'what is held of people, how long, and who may read it; what is kept of emails and names',
  );

  command
    .command('show', { isDefault: true })
    .description('the record of processing, for a data protection officer (default)')
    .addOption(timezoneOption('time zone of all days'))
    .addOption(
      new Option('--format <format>', 'output format')
        .choices(['table', 'markdown', 'json'])
        .default('table'),
    )
    .addHelpText('after', SHOW_HELP)
    .action((options: ShowOptions) => withDatabase(io, (pool, config) => show(io, pool, config, options)));

  return command;
}

const SHOW_HELP = `
Retention, PII_MODE and who sees names over HTTP are those of the environment
that this command runs in: run it where serve runs. docs/privacy.md explains it.

  zt-risk-sync privacy
  zt-risk-sync privacy --format markdown > record-of-processing.md`;

async function show(io: Io, pool: Pool, config: Config, options: ShowOptions): Promise<void> {
  const timezone = options.timezone ?? config.sync.timezone;
  const record = await privacyRecord(pool, settingsOf(config));
  if (options.format === 'json') return void io.stdout.write(`${json(record)}\n`);
  const view = viewOf(io, timezone);
  const title = 'Record of processing: Zero Trust user risk levels';
  const blocks = privacyPage(record, timezone);
  const foot = `Made by zt-risk-sync ${VERSION} at ${view.time(record.at)}. Days are in ${timezone}.`;
  io.stdout.write(
    options.format === 'markdown'
      ? privacyMarkdown(title, blocks, foot)
      : privacyText(title, [...blocks, { kind: 'text', text: foot }], view),
  );
}

/** The id of the key, if a key is set. The record can also be read without it. */
function settingsOf({ pii, retention, sync, http }: Config): PrivacySettings {
  return {
    mode: pii.mode,
    keyId: pii.mode === 'pseudonymous' ? (piiHashes(pii.key)?.keyId ?? null) : null,
    retention,
    rejectedRetentionMs: sync.rejectedRetentionMs,
    shownOverHttp: http.piiToken !== null,
  };
}
