// The page of users: the users at each level now, with search, filters and an order.
import { html } from 'hono/html';
import { fileNote } from '../answers/people/rows-of-a-file.ts';
import { usersHeadline, type UsersPage } from '../answers/people/users-page.ts';
import type { Sort, State, UserRow } from '../queries/users/user-page.ts';
import { RISK_LEVELS } from '../user-risk.ts';
import { filters, selectField, textField } from './forms.ts';
import { layout } from './layout.ts';
import { csvOf, linkHere, type Html, type Page } from './page.ts';
import { choice, timeElement, levelMark, notice, number, source } from './parts.ts';
import { person, type NameOf } from './person.ts';
import { pager, pageTable, type PageColumn } from './table.ts';

export type UsersDrawn = {
  nameOf: NameOf;
  /** The cursor of the rows that follow. Null at the end. */
  next: string | null;
  /** The order with which a column is first sorted. */
  usual: Readonly<Record<Sort, 'asc' | 'desc'>>;
};

export function usersPage(page: Page, users: UsersPage, drawn: UsersDrawn): Html {
  return layout(
    page,
    'Users',
    html`<h1>${usersHeadline(users)}</h1>
      ${levelChoice(page, users)} ${filterForm(page)} ${searchNotice(users)}
      <section class="list">
        ${users.rows.length === 0 ? nothing(page, users) : userTable(page, users, drawn)}
        ${pager(page, drawn.next)} ${source(users.question, fileOf(page, users))} ${fileHint(users)}
      </section>`,
  );
}

/** Null if the search has no list of its own, or not all of it. */
function fileOf(page: Page, { search }: UsersPage): string | null {
  const names = ['level', 'absent', 'sort', 'order', 'q'];
  const chosen = [...page.query].filter(([name, value]) => names.includes(name) && value !== '');
  return search === 'done' ? csvOf(page, '/users', Object.fromEntries(chosen)) : null;
}

function fileHint({ counts, level }: UsersPage): Html {
  const note = fileNote(counts[level], 'zt-risk-sync users --format csv');
  return note === '' ? html`` : html`<p class="quiet small">${note}</p>`;
}

const STATES: Readonly<Record<State, string>> = {
  present: 'present',
  high: 'high',
  medium: 'medium',
  low: 'low',
  cleared: 'cleared',
  all: 'ever met',
};

function isLevel(state: string): boolean {
  return (RISK_LEVELS as readonly string[]).includes(state);
}

function levelChoice(page: Page, { counts, level }: UsersPage): Html {
  const options = (Object.keys(STATES) as State[]).map((state) => ({
    text: html`${isLevel(state) ? levelMark(state) : STATES[state]}
      <span class="quiet" data-users="${state}">${number(counts[state])}</span>`,
    address: linkHere(page, { level: state === 'present' ? null : state, cursor: null }),
    isChosen: state === level,
  }));
  return choice('Level', options);
}

function filterForm(page: Page): Html {
  return filters(
    page,
    'Search of users',
    ['q', 'absent'],
    [
      page.identities
        ? textField(page, 'q', 'Search', 'id, email or name')
        : textField(page, 'q', 'Search', 'beginning of an id'),
      selectField(page, 'absent', 'Met', [
        ['', 'met or absent'],
        ['yes', 'absent: not met lately'],
      ]),
    ],
  );
}

function searchNotice({ search, limits }: UsersPage): Html {
  if (search === 'done') return limits === null ? html`` : notice('empty', `${limits}.`);
  return search === 'cut'
    ? notice(
        'partial',
        'More than 1,000 users fit.',
        'Only the first 1,000 are listed. Type more of the text.',
      )
    : notice(
        'empty',
        'This text is not the beginning of a user id.',
        'Emails and names are searched only for those who may see them.',
      );
}

function nothing(page: Page, { search, text, absent, level }: UsersPage): Html {
  if (search === 'refused') return html``;
  const reset = linkHere(page, { q: null, absent: null, level: null, cursor: null });
  if (page.query.has('cursor')) return notice('empty', 'There are no more users.');
  if (text === '' && !absent && level === 'present')
    return page.scope.accounts.every(({ first_at }) => first_at === null)
      ? notice('empty', 'There is no snapshot yet.', 'The first one brings the users.')
      : notice('empty', 'No user is present.');
  return notice('empty', 'No user fits.', html`<a href="${reset}">Show all present users</a>`);
}

function userTable(page: Page, users: UsersPage, { nameOf, usual }: UsersDrawn): Html {
  const sorted = sortedBy(page, users, usual);
  const columns: PageColumn<UserRow>[] = [
    { title: 'User', cell: (row) => person(page, row, nameOf), isHead: true },
    { ...sorted('level', 'Level'), cell: levelCell, kind: 'word' },
    { ...sorted('level_since', 'Since'), cell: (row) => since(page, row), kind: 'time' },
    { ...sorted('event_count', 'Events'), cell: (row) => number(row.event_count), kind: 'number' },
    { ...sorted('last_event', 'Last event'), cell: (row) => timeElement(page, row.last_event), kind: 'time' },
    {
      ...sorted('first_seen_at', 'First seen'),
      cell: (row) => timeElement(page, row.first_seen_at),
      kind: 'time',
    },
  ];
  if (page.scope.chosen === null && page.scope.known.length > 1)
    columns.push({ title: 'Account', cell: (row) => row.account_label });
  return pageTable('Users', columns, users.rows);
}

function levelCell(row: UserRow): Html {
  if (row.max_risk_level === null) return html`<span class="level none">cleared</span>`;
  const absent = row.absent_since === null ? '' : html` <span class="quiet">absent</span>`;
  return html`${levelMark(row.max_risk_level)}${absent}`;
}

function since(page: Page, { level_since, cleared_at }: UserRow): Html | string {
  const at = level_since ?? cleared_at;
  return at === null ? '' : timeElement(page, at);
}

/** A title that sorts by its column, and reverses the order the second time. */
function sortedBy(page: Page, { order: { sort: by, order } }: UsersPage, usual: UsersDrawn['usual']) {
  return (sort: Sort, title: string): Pick<PageColumn<UserRow>, 'title' | 'sorted'> => {
    const isHere = sort === by;
    const next = isHere ? (order === 'asc' ? 'desc' : 'asc') : usual[sort];
    const address = linkHere(page, { sort, order: next === usual[sort] ? null : next, cursor: null });
    const arrow = isHere ? html` <span aria-hidden="true">${order === 'asc' ? '↑' : '↓'}</span>` : '';
    return {
      title: html`<a href="${address}">${title}${arrow}</a>`,
      ...(isHere && { sorted: order === 'asc' ? ('ascending' as const) : ('descending' as const) }),
    };
  };
}
