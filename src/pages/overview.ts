// The overview: the state in a sentence, the levels now and over time, recent events, and how reliable all of it is.
import { html } from 'hono/html';
import { freshness, gravestFirst, sure, type Serving } from '../answers/freshness.ts';
import { headline, NEWS_DAYS, type Overview } from '../answers/overview.ts';
import type { News } from '../queries/levels/news.ts';
import type { NewestSnapshot } from '../queries/snapshots/newest-snapshots.ts';
import { RISK_LEVELS, type RiskLevel } from '../user-risk.ts';
import { duration, plural } from '../words.ts';
import { coverageWords, missedOf } from '../answers/pages/coverage.ts';
import { coverageStrip } from './charts/coverage-strip.ts';
import { spark } from './charts/spark.ts';
import { layout } from './layout.ts';
import { csvOf, linkTo, type Html, type Page } from './page.ts';
import {
  heading,
  timeElement,
  levelMark,
  missingNote,
  moreLink,
  notice,
  number,
  source,
  userLink,
  withoutDays,
} from './parts.ts';
import { MOST_BEHIND, pageTable } from './table.ts';
import { trendSection } from './trend-section.ts';

export function overviewPage(page: Page, overview: Overview, serving: Serving): Html {
  const fresh = freshness(overview.newest.rows, serving, page.scope);
  const isEmpty = overview.levels.now.account_count === 0;
  return layout(
    page,
    'Overview',
    html`<h1>${headline(overview)}</h1>
      <p class="fresh ${fresh.state}" data-fresh="${fresh.state}">${fresh.sentences.join(' ')}</p>
      ${isEmpty ? nothingYet(overview.newest.rows.length) : filled(page, overview)}`,
  );
}

function nothingYet(accounts: number): Html {
  return notice(
    'empty',
    'Nothing can be shown yet.',
    accounts === 0
      ? html`Run <code>zt-risk-sync sync</code> once, or wait for the schedule of this server.`
      : html`The page fills with the first snapshot.`,
  );
}

function filled(page: Page, overview: Overview): Html {
  return html`${figures(page, overview)} ${trendSection(page, overview.trend)}
    <div class="columns">
      ${newsSection(page, overview.news, 'raised')} ${newsSection(page, overview.news, 'cleared')}
      ${newsSection(page, overview.news, 'returned')}
      ${overview.newest.rows[0]?.retired_at && page.scope.chosen ? '' : longestSection(page, overview)}
    </div>
    ${overview.coverage === null ? withoutDays() : coverageSection(page, overview.coverage)}
    ${overview.newest.rows.length > 1 ? accountsSection(page, overview.newest) : ''}`;
}

function figures(page: Page, { levels, recently, trend }: Overview): Html {
  const { now, yesterday, lastWeek } = levels;
  return html`<section aria-label="Users by level now">
    <div class="figures">
      ${RISK_LEVELS.toReversed().map(
        (level) =>
          html`<div class="figure ${level}">
            <h2>
              <a href="${linkTo(page, '/users', { level })}">${levelMark(level)}</a>
            </h2>
            <p class="count" data-count="${level}">${number(now[level])}</p>
            <ul>
              <li data-since="yesterday ${level}">${since(now, yesterday, level)} yesterday</li>
              <li data-since="week ${level}">${since(now, lastWeek, level)} a week ago</li>
            </ul>
            ${spark(
              recently.map((row) => ({ at: Date.parse(row.at), value: row[level] })),
              page.scope.now,
              level,
              `${level} ${recently === trend.rows ? 'over this span' : 'over the last 30 days'}`,
            )}
          </div>`,
      )}
    </div>
    ${source(levels.question, csvOf(page, '/levels'), beforeTable(levels))}
  </section>`;
}

function beforeTable({ now, yesterday, lastWeek }: Overview['levels']): Html {
  const moments = [
    { ...now, when: 'now' },
    { ...yesterday, when: 'yesterday' },
    { ...lastWeek, when: 'a week ago' },
  ];
  return pageTable(
    'Users by level, now and before',
    [
      { title: 'When', cell: ({ when }) => when, isHead: true, kind: 'word' },
      ...RISK_LEVELS.toReversed().map((level) => ({
        title: levelMark(level),
        cell: (row: Counts) => number(row[level]),
        kind: 'number' as const,
      })),
    ],
    moments,
  );
}

type Counts = Overview['levels']['now'];

function since(now: Counts, before: Counts, level: RiskLevel): string {
  if (before.account_count === 0) return 'no snapshot';
  const value = now[level] - before[level];
  return value === 0 ? 'as many as' : `${number(Math.abs(value))} ${value > 0 ? 'more' : 'fewer'} than`;
}

const NEWS: Readonly<Record<News['change'], { title: string; none: string }>> = {
  raised: { title: 'Rose', none: 'Nobody rose' },
  cleared: { title: 'Were cleared', none: 'Nobody was cleared' },
  returned: { title: 'Came back', none: 'Nobody came back' },
};

function newsSection(page: Page, { rows, since, question }: Overview['news'], change: News['change']): Html {
  const { title, none } = NEWS[change];
  const mine = rows.filter((row) => row.change === change);
  const count = mine[0]?.change_count ?? 0;
  const all = linkTo(page, '/changes', { change, range: null, from: since.toISOString(), to: null });
  const id = `news-${change}`;
  return html`<section aria-labelledby="${id}">
    ${heading(`${title} in the last ${NEWS_DAYS} days`, id, count === 0 ? '' : moreLink(all, `All ${number(count)}`))}
    <span class="unseen" data-news="${change}">${count}</span>
    ${
      count === 0
        ? html`<p class="quiet">${none}.</p>`
        : html`<ul class="rows">
            ${mine.map(
              (row) =>
                html`<li>
                  ${userLink(page, row)}
                  <span>${step(row)}</span>
                  <span class="quiet">${change === 'cleared' ? reason(row.end_reason) : ''}</span>
                  ${timeElement(page, row.changed_at)}
                </li>`,
            )}
          </ul>`
    }
    ${source(question, csvOf(page, '/changes', { from: since.toISOString(), change }))}
  </section>`;
}

function step({ change, from_level, to_level }: News): Html {
  if (change === 'cleared') return html`was ${levelMark(from_level)}`;
  if (change === 'returned') return html`now ${levelMark(to_level)}`;
  return html`${levelMark(from_level)} <span aria-label="to">→</span> ${levelMark(to_level)}`;
}

function reason(end: string | null): string {
  if (end === 'reset') return 'reset by an administrator';
  return end === 'absent' ? 'no longer listed' : '';
}

function longestSection(page: Page, { longest, levels }: Overview): Html {
  const now = page.scope.now.getTime();
  const lengths = longest.rows.map((row) => now - Date.parse(row.level_since));
  const most = Math.max(1, ...lengths);
  return html`<section aria-labelledby="longest">
    ${heading('Longest at high now', 'longest', moreLink(linkTo(page, '/response'), 'Response'))}
    ${
      levels.now.high === 0
        ? html`<p class="quiet">Nobody is at high.</p>`
        : html`<ul class="rows bars">
            ${longest.rows.map(
              (row, nth) =>
                html`<li>
                  ${userLink(page, row)}
                  <span class="length" title="since ${row.level_since}">${duration(lengths[nth]!)}</span>
                  <svg class="bar" aria-hidden="true">
                    <rect
                      class="high"
                      width="${((100 * lengths[nth]!) / most).toFixed(1)}%"
                      height="100%"
                      rx="2"
                    />
                  </svg>
                  <span class="quiet">${plural(row.event_count, 'event')}</span>
                </li>`,
            )}
          </ul>`
    }
    ${source(longest.question, csvOf(page, '/users', { level: 'high', sort: 'level_since' }))}
  </section>`;
}

function coverageSection(page: Page, { question, rows }: NonNullable<Overview['coverage']>): Html {
  const words = coverageWords(rows);
  return html`<section aria-labelledby="coverage">
    ${heading('How sure, day by day', 'coverage', moreLink(linkTo(page, '/runs'), 'Runs'))}
    ${coverageStrip(rows, words)}
    <p class="strip-ends quiet small">
      <span>${rows[0]?.day ?? ''}</span>${rows.length > 1 ? html`<span>${rows.at(-1)!.day}</span>` : ''}
    </p>
    <p>${words}</p>
    ${missingNote(page)}
    <p class="quiet small">
      Full: complete. Half: with a partial snapshot. Hatched: a slot was missed. Empty: no snapshot.
    </p>
    ${source(
      question,
      csvOf(page, '/coverage'),
      pageTable(
        rows.length > MOST_BEHIND
          ? `The newest ${MOST_BEHIND} days; the file has all`
          : 'Days, the newest first',
        [
          { title: 'Day', cell: (row) => row.day, kind: 'word', isHead: true },
          { title: 'Complete', cell: (row) => number(row.complete_count), kind: 'number' },
          { title: 'Partial', cell: (row) => number(row.partial_count), kind: 'number' },
          {
            title: 'Failed runs',
            cell: (row) => number(row.failed_count + row.abandoned_count),
            kind: 'number',
          },
          { title: 'Missed slots', cell: (row) => number(missedOf(row)), kind: 'number' },
        ],
        rows.toReversed().slice(0, MOST_BEHIND),
      ),
    )}
  </section>`;
}

/** For thousands of accounts, the page would be a megabyte. */
const MOST_ACCOUNTS = 100;

function accountsSection(page: Page, { question, rows }: Overview['newest']): Html {
  const shown = rows.length <= MOST_ACCOUNTS ? rows : gravestFirst(rows).slice(0, MOST_ACCOUNTS);
  const count = (level: RiskLevel) => ({
    title: levelMark(level),
    kind: 'number' as const,
    cell: (row: NewestSnapshot) => number(row[level]),
  });
  return html`<section aria-labelledby="accounts">
    ${heading('Accounts', 'accounts')}
    ${
      shown === rows
        ? ''
        : html`<p class="quiet">
            The ${number(shown.length)} that need a look first, of ${number(rows.length)}. The file has all.
          </p>`
    }
    ${pageTable(
      'Accounts',
      [
        {
          title: 'Account',
          isHead: true,
          cell: (row: NewestSnapshot) =>
            html`<a href="${linkTo(page, '/', { account: row.account_id })}">${row.account_label}</a>`,
        },
        count('high'),
        count('medium'),
        count('low'),
        {
          title: 'Newest snapshot',
          kind: 'time',
          cell: (row) => (row.observed_at === null ? 'none yet' : timeElement(page, row.observed_at)),
        },
        { title: 'How sure', cell: (row) => (row.verdict === null ? '' : `${row.verdict}: ${sure(row)}`) },
      ],
      shown,
    )}
    ${source(question, csvOf(page, '/freshness'))}
  </section>`;
}
