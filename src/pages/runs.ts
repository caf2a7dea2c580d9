// The ledger of runs: how they ended and why, how well each day was covered, and how to fix failures.
import { html } from 'hono/html';
import { runsHeadline, usualDuration, type Runs } from '../answers/pages/runs.ts';
import type { CoverageDay } from '../queries/runs/coverage.ts';
import type { LedgerRun } from '../queries/runs/run-ledger.ts';
import { duration } from '../words.ts';
import { calendarLegend, coverageCalendar } from './charts/coverage-calendar.ts';
import { coverageWords, missedOf } from '../answers/pages/coverage.ts';
import { filters, selectField } from './forms.ts';
import { layout } from './layout.ts';
import { csvOf, linkTo, type Html, type Page } from './page.ts';
import { heading, missingNote, notice, number, rangeChoice, source, wallTime, withoutDays } from './parts.ts';
import { pager, pageTable, type PageColumn } from './table.ts';

export type LedgerPage = { rows: readonly LedgerRun[]; next: string | null };

export function runsPage(page: Page, runs: Runs, ledger: LedgerPage): Html {
  const totals = runs.totals.rows[0]!;
  return layout(
    page,
    'Runs',
    html`<h1>${runsHeadline(totals)}</h1>
      <p class="quiet">${usualDuration(totals) ?? ''}</p>
      ${missingNote(page)} ${calendarSection(page, runs)} ${ledgerSection(page, runs, ledger)}`,
  );
}

function calendarSection(page: Page, { coverage, isCut }: Runs): Html {
  if (coverage === null) return withoutDays(rangeChoice(page));
  const { rows, question } = coverage;
  const words = coverageWords(rows);
  return html`<section aria-labelledby="coverage">
    ${heading('Day by day', 'coverage', rangeChoice(page))}
    ${
      rows.length === 0
        ? notice('empty', 'No day of this span has a run.', 'Choose another span, such as all.')
        : html`<div class="calendar-row">
            ${coverageCalendar(rows, words)}
            <div>
              <p>${words}</p>
              ${calendarLegend(rows)}
              ${isCut ? html`<p class="quiet small">The newest ${rows.length} days of the span.</p>` : ''}
            </div>
          </div>`
    }
    ${source(question, csvOf(page, '/coverage'), rows.length === 0 ? null : daysTable(rows))}
  </section>`;
}

export function daysTable(rows: readonly CoverageDay[]): Html {
  const slots = ({ expected_slot_count: expected, slot_succeeded_count: done }: CoverageDay) =>
    expected === null ? '–' : `${number(done)} of ${number(expected)}`;
  return pageTable(
    'Days, the newest first',
    [
      { title: 'Day', kind: 'word', isHead: true, cell: (row) => row.day },
      { title: 'Complete', kind: 'number', cell: (row) => number(row.complete_count) },
      { title: 'Partial', kind: 'number', cell: (row) => number(row.partial_count) },
      { title: 'Failed', kind: 'number', cell: (row) => number(row.failed_count) },
      { title: 'Abandoned', kind: 'number', cell: (row) => number(row.abandoned_count) },
      { title: 'Slots done', kind: 'number', cell: slots },
      { title: 'Missed', kind: 'number', cell: (row) => number(missedOf(row)) },
    ],
    rows.toReversed(),
  );
}

function ledgerSection(page: Page, { ledger, reasons }: Runs, { rows, next }: LedgerPage): Html {
  const chosen = Object.fromEntries(
    ['status', 'verdict'].flatMap((name) => {
      const value = page.query.get(name);
      return value ? [[name, value]] : [];
    }),
  );
  return html`<section class="paged list ledger" aria-labelledby="ledger">
    ${heading('All runs', 'ledger')} ${filters(page, 'Runs', ['status', 'verdict'], fieldsOf(page))}
    ${
      rows.length === 0
        ? notice('empty', 'No such run.', 'Choose another span, or leave the filters out.')
        : html`${pageTable('Runs, the newest first', columnsOf(page, reasons), rows)} ${pager(page, next)}`
    }
    ${source(ledger.question, csvOf(page, '/runs', chosen))}
  </section>`;
}

function fieldsOf(page: Page): Html[] {
  return [
    selectField(page, 'status', 'How it ended', [
      ['', 'any way'],
      ['succeeded', 'succeeded'],
      ['failed', 'failed'],
      ['abandoned', 'abandoned'],
    ]),
    selectField(page, 'verdict', 'Verdict', [
      ['', 'any'],
      ['complete', 'complete'],
      ['partial', 'partial'],
    ]),
  ];
}

function columnsOf(page: Page, reasons: Runs['reasons']): PageColumn<LedgerRun>[] {
  const account: PageColumn<LedgerRun> = {
    title: 'Account',
    cell: (run) => html`<span class="account">${run.account_label}</span>`,
  };
  // Counts are missing if the process died.
  const counted = (run: LedgerRun, value: number) => (run.status === 'abandoned' ? '–' : number(value));
  return [
    {
      title: 'Run',
      kind: 'word',
      isHead: true,
      cell: (run) => html`<a href="${linkTo(page, `/runs/${run.run_id}`)}">${run.run_id}</a>`,
    },
    { title: 'Started', kind: 'time', cell: (run) => wallTime(page, run.started_at) },
    { title: 'Result', cell: (run) => result(run, reasons.get(run.run_id) ?? []) },
    ...(page.scope.accounts.length > 1 ? [account] : []),
    { title: 'By', kind: 'word', cell: (run) => TRIGGERS[run.trigger] ?? run.trigger },
    { title: 'Took', kind: 'number', cell: (run) => duration(run.duration_seconds * 1000) },
    { title: 'Pages', kind: 'number', cell: (run) => counted(run, run.pages) },
    { title: 'Requests', kind: 'number', cell: (run) => counted(run, run.requests) },
    { title: 'Met', kind: 'number', cell: (run) => counted(run, run.users_met) },
  ];
}

/** What started a run, in the reader's words. */
const TRIGGERS: Readonly<Record<string, string>> = { cron: 'schedule', cli: 'command', http: 'request' };

const SHAPES = { complete: '●', partial: '◐', failed: '✕', abandoned: '✕' } as const;

function result(run: LedgerRun, reasons: readonly string[]): Html {
  return html`${verdictMark(run)} ${reasons.map((reason) => html`<span class="why small">${reason}</span>`)}
  ${run.error_message === null ? '' : html`<span class="why small">${run.error_message}</span>`}`;
}

export function verdictMark({ status, verdict, error_code }: LedgerRun): Html {
  const word = verdict ?? status;
  const shape = SHAPES[word as keyof typeof SHAPES] ?? '';
  return html`<span class="verdict ${word}"
      ><span class="shape" aria-hidden="true">${shape}</span> ${word}</span
    >${error_code === null ? '' : html` <code>${error_code}</code>`}`;
}
