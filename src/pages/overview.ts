// The overview: the state in a sentence, the levels now and before.
import { html } from 'hono/html';
import { headline, type Overview } from '../answers/overview.ts';
import type { LevelsAt } from '../queries/levels/levels-at.ts';
import { RISK_LEVELS, type RiskLevel } from '../user-risk.ts';
import { layout } from './layout.ts';
import type { Html, Page } from './page.ts';
import { levelMark, number } from './parts.ts';

export function overviewPage(page: Page, overview: Overview): Html {
  const { now, yesterday, lastWeek } = overview.levels;
  return layout(
    page,
    'Overview',
    html`<h1>${headline(overview)}</h1>
      <section class="figures" aria-label="Users by level now">
        ${RISK_LEVELS.toReversed().map((level) => figure(level, now, yesterday, lastWeek))}
      </section>`,
  );
}

function figure(level: RiskLevel, now: LevelsAt, yesterday: LevelsAt, lastWeek: LevelsAt): Html {
  return html`<div class="figure ${level}">
    <h2>${levelMark(level)}</h2>
    <p class="count" data-count="${level}">${number(now[level])}</p>
    <ul>
      <li>${difference(now[level] - yesterday[level])} since yesterday</li>
      <li>${difference(now[level] - lastWeek[level])} since a week ago</li>
    </ul>
  </div>`;
}

function difference(value: number): string {
  return value === 0 ? '±0' : `${value > 0 ? '+' : '−'}${number(Math.abs(value))}`;
}
