// Figures of a page, read back from its HTML as a reader of the page would find them.

/** Text of the elements with this attribute, by the attribute's value, without tags. */
export function textsBy(html: string, attribute: string): Record<string, string> {
  const found = html.matchAll(
    new RegExp(`<(\\w+)[^>]*\\s${attribute}="([^"]*)"[^>]*>([\\s\\S]*?)</\\1>`, 'g'),
  );
  return Object.fromEntries([...found].map(([, , value, text]) => [value!, plain(text!)]));
}

/** Rows of the table in the region of this name, as texts. */
export function tableRows(html: string, name: string): string[][] {
  const region = html.split(`aria-label="${name}"`)[1]?.split('</table>')[0] ?? '';
  const body = region.split('<tbody>')[1] ?? '';
  return [...body.matchAll(/<tr>([\s\S]*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<t[hd][^>]*>([\s\S]*?)<\/t[hd]>/g)].map(([, cell]) => plain(cell!)),
  );
}

/** The statements that the page shows. */
export function statementsOf(html: string): string[] {
  return [...html.matchAll(/<pre[^>]*>([\s\S]*?)<\/pre>/g)].map(([, text]) => unescaped(text!));
}

export function unescaped(html: string): string {
  return html
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}

/** What the script is given. */
export function pointsOf(html: string): { at: number[] } & Record<string, number[]> {
  const text = /<script type="application\/json" data-points>([\s\S]*?)<\/script>/.exec(html)?.[1];
  return JSON.parse(text ?? '{"at":[]}') as { at: number[] } & Record<string, number[]>;
}

function plain(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
