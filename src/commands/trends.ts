// `trends`: users per level over time, one line of blocks per level and a row per bucket.
import { Command, InvalidArgumentError, Option } from 'commander';
import { readConfig } from '../config.ts';
import { openDatabase, openLogger, type Io } from '../context.ts';
import type { Pool } from '../db/pool.ts';
import { BUCKETS, levelTrend, type Bucket, type TrendPoint } from '../queries/level-trend.ts';
import { isTimeZone } from '../schedule.ts';
import { formatOption, printRows, sparkline, table, type Format } from './print.ts';

type Options = { since: Date; bucket: Bucket; account?: string; timezone?: string; format: Format };

export function trendsCommand(io: Io): Command {
  return new Command('trends')
    .description('users per risk level over time')
    .option(
      '--since <when>',
      'a date (2026-03-01), a time, or a span back from now (24h, 30d, 12w)',
      since,
      since('30d'),
    )
    .addOption(new Option('--bucket <size>', 'one row per').choices(BUCKETS).default('day'))
    .option('--account <id>', 'only this account')
    .option('--timezone <zone>', 'where days begin (default: SYNC_TIMEZONE)', zone)
    .addOption(formatOption())
    .action(async (options: Options) => {
      const config = readConfig(io.source);
      const database = await openDatabase(io, config, openLogger(io, config), 'refuse');
      try {
        await printTrend(io, database.pool, {
          ...options,
          timezone: options.timezone ?? config.sync.timezone,
        });
      } finally {
        await database.close();
      }
    });
}

export async function printTrend(
  io: Pick<Io, 'stdout'>,
  pool: Pool,
  options: Omit<Options, 'timezone'> & { timezone: string; rows?: number },
): Promise<void> {
  const points = await levelTrend(pool, {
    ...options,
    ...(options.account === undefined ? {} : { accountId: options.account }),
  });
  const columns = [
    { name: 'account_id' },
    { name: options.bucket },
    { name: 'low', right: true },
    { name: 'medium', right: true },
    { name: 'high', right: true },
    { name: 'verdict' },
  ];
  if (options.format !== 'table') {
    const rows = points.map((p) => [p.account_id, p.bucket, p.low, p.medium, p.high, p.verdict]);
    return printRows(io.stdout, options.format, columns, rows);
  }
  if (points.length === 0) {
    io.stdout.write(
      `No snapshots since ${options.since.toISOString().slice(0, 10)}. Try an earlier --since, or run: zt-risk-sync sync\n`,
    );
    return;
  }
  for (const accountId of new Set(points.map((point) => point.account_id))) {
    const own = points.filter((point) => point.account_id === accountId);
    io.stdout.write(
      `account ${accountId}, ${own.at(0)?.bucket} to ${own.at(-1)?.bucket}, by ${options.bucket} (${options.timezone})\n\n`,
    );
    for (const level of ['high', 'medium', 'low'] as const) io.stdout.write(`${chart(level, own)}\n`);
    const rows = own
      .slice(-(options.rows ?? own.length))
      .map((p) => [p.bucket, p.low, p.medium, p.high, p.low + p.medium + p.high, p.verdict]);
    io.stdout.write(
      `\n${table([...columns.slice(1, 5), { name: 'all', right: true }, { name: 'verdict' }], rows)}\n`,
    );
  }
}

// Fits 80 columns: a longer series shows the highest value of each stretch, so that a peak is never lost.
const CHART_WIDTH = 60;

function chart(level: 'low' | 'medium' | 'high', points: readonly TrendPoint[]): string {
  const values = points.map((point) => point[level]);
  const width = Math.min(CHART_WIDTH, values.length);
  const shown = Array.from({ length: width }, (_, index) =>
    Math.max(
      ...values.slice(
        Math.floor((index * values.length) / width),
        Math.floor(((index + 1) * values.length) / width),
      ),
    ),
  );
  return `${level.padEnd(7)}${sparkline(shown)}  ${Math.min(...values)}–${Math.max(...values)}`;
}

const SPAN_MS = { h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

function since(text: string): Date {
  const span = /^(\d{1,5})([hdw])$/.exec(text);
  const date = span
    ? new Date(Date.now() - Number(span[1]) * SPAN_MS[span[2] as keyof typeof SPAN_MS])
    : /^\d{4}-\d{2}-\d{2}/.test(text)
      ? new Date(text)
      : new Date(Number.NaN);
  if (Number.isNaN(date.getTime())) {
    throw new InvalidArgumentError(
      'must be a date such as 2026-03-01, a time such as 2026-03-01T09:00Z, or a span such as 30d.',
    );
  }
  return date;
}

function zone(text: string): string {
  if (!isTimeZone(text)) throw new InvalidArgumentError('must be a time zone such as Europe/Berlin.');
  return text;
}
