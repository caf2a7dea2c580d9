// A user's page: the state now, level and events over time, episodes at high, and the events, account by account.
import { html } from 'hono/html';
import { stateInWords, type UserInAccount, type OneUser } from '../answers/people/one-user.ts';
import { inWords, type TimelineEvent } from '../answers/user-timeline.ts';
import type { Episode } from '../queries/users/episodes.ts';
import type { UserPeriod } from '../queries/users/user-periods.ts';
import { localMinute } from '../time/when.ts';
import { duration } from '../words.ts';
import { eventSteps } from './charts/event-steps.ts';
import { levelLanes } from './charts/level-lanes.ts';
import { layout } from './layout.ts';
import { csvOf, linkHere, linkTo, type Html, type Page } from './page.ts';
import { heading, levelMark, missingNote, notice, number, rangeChoice, source, wallTime } from './parts.ts';
import { nameInWords } from './person.ts';
import { spanForm } from './span-form.ts';
import { MOST_BEHIND, pageTable } from './table.ts';

export function userPage(page: Page, one: OneUser): Html {
  const isErased = one.known.some(({ user }) => user.erased_at !== null);
  const name =
    page.identities && !isErased ? one.known.find(({ identity }) => identity !== null)?.identity : undefined;
  const isOne = one.known.length === 1;
  return layout(
    page,
    `User ${one.userId.slice(0, 8)}`,
    html`<p class="over"><a href="${linkTo(page, '/users')}">Users</a></p>
      <h1>
        ${name ? nameInWords(name) : html`<span class="id" data-copy="${one.userId}">${one.userId}</span>`}
      </h1>
      ${name ? html`<p class="quiet id">${one.userId}</p>` : ''}
      ${isOne ? state(page, one.known[0]!) : html`<p>${one.known.length} accounts know this user.</p>`}
      <div class="span-row">${rangeChoice(page)} ${spanForm(page)}</div>
      ${missingNote(page)} ${one.known.map((known) => inAccount(page, one, known, isOne))}`,
  );
}

function state(page: Page, known: UserInAccount): Html {
  const [first = '', ...rest] = stateInWords(known, page.scope);
  const level = known.user.max_risk_level;
  return html`<p class="state" data-state="${level ?? 'cleared'}">
    <strong>${level === null ? first : marked(first, level)}</strong> ${rest.join(' ')}
  </p>`;
}

/** The sentence, with its level drawn as on all pages. */
function marked(sentence: string, level: string): Html {
  const [before = '', ...after] = sentence.split(level);
  return html`${before}${levelMark(level)}${after.join(level)}`;
}

function inAccount(page: Page, one: OneUser, known: UserInAccount, isOne: boolean): Html {
  const { accountId, newestAt } = known;
  const mine = <Row extends { account_id: string }>(rows: readonly Row[]) =>
    rows.filter(({ account_id }) => account_id === accountId);
  const { span, timezone } = page.scope;
  const periods = mine(one.periods.rows);
  const activity = mine(one.activity.rows);
  const picture = { periods, span, newestAt, timezone };
  const id = (part: string) => (isOne ? part : `${part}-${accountId}`);
  const account = linkHere(page, { account: accountId });
  const of = (resource: string) => csvOf(page, `/users/${one.userId}/${resource}`);
  return html`${
      isOne
        ? ''
        : html`<section class="of-account" aria-labelledby="${accountId}">
            ${heading(known.label ?? accountId, accountId, html`<a class="more" href="${account}">Only this account</a>`)}
            ${state(page, known)}
          </section>`
    }
    <section aria-labelledby="${id('levels')}" data-account="${accountId}">
      ${heading('Level over time', id('levels'))}
      ${
        periods.length === 0
          ? notice(
              'empty',
              'Not present in this span.',
              html`<a href="${linkHere(page, { range: 'all' })}">Show all</a>`,
            )
          : html`${levelLanes(picture)}
              <p class="legend quiet small">${legend(periods)}</p>
              ${source(one.periods.question, of('levels'), periodTable(page, periods))}`
      }
    </section>
    <section aria-labelledby="${id('events')}">
      ${heading('Risk events', id('events'))}
      <p class="quiet small">The number that the summary states: a total, not the events of one day.</p>
      ${activity.length === 0 ? notice('empty', 'No events in this span.') : eventSteps({ activity, span, timezone })}
      ${activity.length === 0 ? '' : source(one.activity.question, of('activity'), activityTable(page, activity))}
    </section>
    ${episodeSection(page, one, mine(one.episodes.rows), id('episodes'))}
    ${storySection(page, known, id('story'), of('history'))}`;
}

function legend(periods: readonly UserPeriod[]): string {
  const isCleared = periods.some(({ end_reason }) => end_reason === 'reset' || end_reason === 'absent');
  return [
    periods.some(({ is_baseline }) => is_baseline === true)
      ? 'Dot: already so at the first load, and perhaps before.'
      : '',
    isCleared ? 'Cross: cleared.' : '',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function periodTable(page: Page, periods: readonly UserPeriod[]): Html {
  return pageTable(
    'Periods at a level, the newest first',
    [
      { title: 'From', cell: (row) => wallTime(page, row.valid_from), kind: 'time', isHead: true },
      {
        title: 'To',
        cell: (row) => (row.valid_to === null ? 'now' : wallTime(page, row.valid_to)),
        kind: 'time',
      },
      { title: 'Level', cell: (row) => levelMark(row.max_risk_level), kind: 'word' },
      { title: 'Length', cell: (row) => duration(row.duration_seconds * 1000), kind: 'number' },
      { title: 'Began', cell: (row) => (row.is_baseline === true ? 'first load' : row.change) },
      { title: 'Ended', cell: (row) => row.end_reason ?? '' },
    ],
    periods.toReversed(),
  );
}

function activityTable(page: Page, activity: OneUser['activity']['rows']): Html {
  const rows = activity.toReversed().slice(0, MOST_BEHIND);
  const name =
    activity.length > MOST_BEHIND
      ? `The newest ${MOST_BEHIND} of ${number(activity.length)}`
      : 'Newest first';
  return html`<p class="quiet">${name}.</p>
    ${pageTable(
      name,
      [
        { title: 'Seen', cell: (row) => wallTime(page, row.observed_at), kind: 'time', isHead: true },
        { title: 'Events', cell: (row) => number(row.event_count), kind: 'number' },
        { title: 'Last event', cell: (row) => wallTime(page, row.last_event), kind: 'time' },
      ],
      rows,
    )}`;
}

function episodeSection(page: Page, one: OneUser, rows: readonly Episode[], id: string): Html {
  return html`<section aria-labelledby="${id}">
    ${heading('Episodes at high', id)}
    ${
      rows.length === 0
        ? html`<p class="quiet">Not at high in this span.</p>`
        : pageTable(
            'Episodes at high, the newest first',
            [
              { title: 'Began', cell: (row) => wallTime(page, row.started_at), kind: 'time', isHead: true },
              { title: 'How', cell: began },
              { title: 'Length', cell: (row) => duration(row.duration_seconds * 1000), kind: 'number' },
              {
                title: 'Ended',
                cell: (row) => (row.ended_at === null ? 'lasts' : wallTime(page, row.ended_at)),
                kind: 'time',
              },
              { title: 'By', cell: (row) => (row.ended_by === null ? '' : ENDS[row.ended_by]) ?? '' },
              { title: 'Most events', cell: (row) => number(row.peak_event_count), kind: 'number' },
            ],
            rows,
          )
    }
    ${
      rows.some(({ ended_at }) => ended_at === null)
        ? html`<p class="quiet small">The one that lasts is measured up to the newest snapshot.</p>`
        : ''
    }
    ${source(one.episodes.question, csvOf(page, '/episodes', { user_id: one.userId }))}
  </section>`;
}

const ENDS: Readonly<Record<string, string>> = {
  lowered: 'a lower level',
  reset: 'a reset by an administrator',
  absent: 'no longer listed',
};

function began(row: Episode): Html | string {
  if (row.is_baseline === true) return 'in the first load';
  return row.from_level === null ? row.change : html`${row.change} from ${levelMark(row.from_level)}`;
}

/** The wording of the command `history`. */
function storySection(
  page: Page,
  { events, leftOut, identity, may }: UserInAccount,
  id: string,
  csv: string,
): Html {
  const { from, to } = page.scope.span;
  const mine = events.filter(({ changed_at }) => {
    const at = Date.parse(changed_at);
    return at >= from.getTime() && at <= to.getTime();
  });
  const isHidden = identity === null && !may.identities && mine.some(({ change }) => change === 'renamed');
  return html`<section aria-labelledby="${id}">
    ${heading('What happened', id)}
    ${
      mine.length === 0
        ? html`<p class="quiet">Nothing in this span.</p>`
        : html`<ol class="story" reversed>
            ${mine
              .toReversed()
              .map(
                (event) =>
                  html`<li data-event="${event.change}">
                    ${wallTime(page, event.changed_at)} <span>${words(page, event)}</span>
                  </li>`,
              )}
          </ol>`
    }
    ${leftOut ? html`<p class="quiet small">Earlier events are left out.</p>` : ''}
    ${
      isHidden
        ? html`<p class="quiet small">Only the newest change of email or name is known to this page.</p>`
        : ''
    }
    <div class="behind"><a href="${csv}" download>CSV</a></div>
  </section>`;
}

/** A run that is named at the end becomes a link to its page. */
function words(page: Page, event: TimelineEvent): Html | string {
  const text = inWords(event, (at) => localMinute(at, page.scope.timezone));
  const end = ` (run ${event.run_id})`;
  if (event.run_id === null || !text.endsWith(end)) return text;
  const address = linkTo(page, `/runs/${event.run_id}`);
  return html`${text.slice(0, -end.length)} (<a href="${address}">run ${event.run_id}</a>)`;
}

/** No user has this id: where to look next. */
export function noUserPage(page: Page, who: string): Html {
  const isNarrow = page.scope.chosen !== null;
  const everywhere = linkHere(page, { account: null });
  const search = linkTo(page, '/users', { level: 'all', q: who.slice(0, 4) });
  return layout(
    page,
    'No such user',
    html`<h1>No user is known by this id${isNarrow ? ' in this account' : ''}.</h1>
      <p>
        A user without a risk level is not in the summary, so there is no history. An id may also be mistyped.
      </p>
      <ul class="ways">
        ${isNarrow ? html`<li><a href="${everywhere}">Look in all accounts</a></li>` : ''}
        ${/^[0-9a-f]{4}/i.test(who) ? html`<li><a href="${search}">Users whose id begins with ${who.slice(0, 4)}</a></li>` : ''}
        <li><a href="${linkTo(page, '/users', { level: 'all' })}">All users who were ever met</a></li>
      </ul>`,
  );
}
