// What has changed since the last visit: this browser remembers the newest snapshot that it has seen. Until the browser
// is closed, the comparison is with the visits before, so that a second look shows the same.

type Visit = { snapshot: number; at: string };

export function rememberVisit(): void {
  const place = document.querySelector<HTMLElement>('[data-last-visit]');
  const newest = Number(place?.dataset['newest']);
  if (place === null || !(newest > 0)) return;
  const key = keyOf(place);
  const before = read(sessionStorage, key) ?? read(localStorage, key);
  const visit = { snapshot: newest, at: new Date().toISOString() };
  write(sessionStorage, key, before ?? visit);
  write(localStorage, key, visit);
  if (before !== null && before.snapshot < newest && !new URLSearchParams(location.search).has('since'))
    offer(place, before);
}

/** In a distributed history, each account numbers its own snapshots, and only a page of one account has a number. */
function keyOf(place: HTMLElement): string {
  return `newest-seen${place.dataset['account'] ?? ''}`;
}

/** Storage may be refused, or hold data of an older version. */
function read(storage: Storage, key: string): Visit | null {
  try {
    const visit = JSON.parse(storage.getItem(key) ?? 'null') as Partial<Visit> | null;
    const isVisit = typeof visit?.snapshot === 'number' && !Number.isNaN(Date.parse(visit.at ?? ''));
    return isVisit ? (visit as Visit) : null;
  } catch {
    return null;
  }
}

function write(storage: Storage, key: string, visit: Visit): void {
  try {
    storage.setItem(key, JSON.stringify(visit));
  } catch {
    // The next visit is then like the first one.
  }
}

function offer(place: HTMLElement, { snapshot, at }: Visit): void {
  const link = document.createElement('a');
  link.href = (place.dataset['address'] ?? '').replace('SNAPSHOT', String(snapshot));
  link.textContent = `What has changed since your last visit, ${new Date(at).toLocaleString()}`;
  place.replaceChildren(link);
  place.hidden = false;
}
