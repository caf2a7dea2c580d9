// What runs inside the browser, as text: the types of the tests know no document.

export const WIDTH = 'document.documentElement.scrollWidth';

/** Bytes of the page and of all that it loaded. */
export const BYTES = 'performance.getEntries().reduce((sum, entry) => sum + (entry.decodedBodySize ?? 0), 0)';

/** Also what is folded away. */
export const OPEN_ALL = 'document.querySelectorAll("details").forEach((one) => { one.open = true; })';

/** How much of the table with this name is out of sight within its frame. */
export const hiddenIn = (name: string) => `(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)(
  document.querySelector('[role="region"][aria-label^="${name}"]'))`;

/** Elements that a person can use. */
export const USABLE = `[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]')]
  .filter((one) => one.checkVisibility()).length`;

/** The position of the focused element in the document; null: nowhere. */
export const FOCUS = `document.activeElement === document.body ? null :
  [...document.querySelectorAll('*')].indexOf(document.activeElement)`;

export const REPORT_POLICY = `document.addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI))`;

/** Serious findings of axe, which must be there. */
export const FINDINGS = `axe.run().then(({ violations }) => violations
  .filter(({ impact }) => ['serious', 'critical'].includes(impact))
  .flatMap(({ id, nodes }) => nodes.map((node) => id + ': ' + node.html + ' ' + node.failureSummary)))`;

/** The browser has seen nothing after snapshot 20. */
export const SEEN_BEFORE = `for (const storage of [localStorage, sessionStorage])
  storage.setItem('newest-seen', JSON.stringify({ snapshot: 20, at: '2026-01-01T00:00:00Z' }))`;
