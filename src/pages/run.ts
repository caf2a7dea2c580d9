// One run, explained like the output of `status --run`.
import { html } from 'hono/html';
import type { Fact } from '../answers/runs/explain-run.ts';
import type { OneRun } from '../answers/pages/runs.ts';
import { localMinute } from '../time/when.ts';
import { layout } from './layout.ts';
import { linkTo, type Html, type Page } from './page.ts';
import { facts, heading, moreLink, source } from './parts.ts';
import { verdictMark } from './runs.ts';

export function runPage(page: Page, { run, facts: told }: OneRun): Html {
  const row = run.rows[0]!;
  const began = localMinute(row.started_at, page.scope.timezone);
  return layout(
    page,
    `Run ${row.run_id}`,
    html`<h1>Run ${row.run_id} of ${began}</h1>
      <p>${verdictMark(row)} <span class="quiet">${row.account_label}</span></p>
      <section aria-labelledby="facts">
        ${heading('What happened', 'facts', moreLink(linkTo(page, '/runs'), 'All runs'))}
        ${facts(grouped(told))} ${source(run.question, `/api/v1/runs/${row.run_id}?format=csv`)}
      </section>`,
  );
}

/** Facts without a name continue the fact before. */
function grouped(told: readonly Fact[]): [string, Html][] {
  const groups: { name: string; texts: string[] }[] = [];
  for (const [name, text] of told) {
    const last = groups.at(-1);
    if (name === '' && last !== undefined) last.texts.push(text);
    else groups.push({ name, texts: [text] });
  }
  return groups.map(({ name, texts }) => [name, html`${texts.map((text) => html`<p>${text}</p>`)}`]);
}
