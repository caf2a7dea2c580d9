// The record of processing on a terminal and as Markdown, and what a change of PII_MODE did.
import type { Block } from '../../../answers/privacy/privacy-page.ts';
import { plural, printable } from '../../../words.ts';
import { table } from '../../table.ts';
import type { View } from '../../view.ts';
import { wrap } from '../../wrap.ts';

/** `title` is above the page. */
export function privacyText(title: string, blocks: readonly Block[], view: View): string {
  let page = title;
  let gap = '\n\n';
  for (const block of blocks) {
    page += `${gap}${textOf(block, view)}`;
    gap = block.kind === 'heading' ? '\n' : '\n\n';
  }
  return `${page}\n`;
}

function textOf(block: Block, view: View): string {
  switch (block.kind) {
    case 'heading':
      return `${block.text}\n${'-'.repeat(block.text.length)}`;
    case 'text':
      return wrap(printable(block.text), 0, view.textWidth);
    case 'list':
      return block.items.map((item) => `- ${wrap(printable(item), 2, view.textWidth)}`).join('\n');
    case 'table':
      return table(
        block.columns.map((column, at) => ({ ...column, ...(at === 0 ? { shrinks: true as const } : {}) })),
        block.rows,
        view.width,
      );
  }
}

export function privacyMarkdown(title: string, blocks: readonly Block[], foot: string): string {
  return `${[`# ${plain(title)}`, ...blocks.map(markdownOf), foot].join('\n\n')}\n`;
}

function markdownOf(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `## ${block.text}`;
    case 'text':
      return plain(block.text);
    case 'list':
      return block.items.map((item) => `- ${plain(item)}`).join('\n');
    case 'table': {
      const row = (cells: readonly (string | number | null)[]) =>
        `| ${cells.map((cell) => (cell === null ? '' : plain(printable(cell)))).join(' | ')} |`;
      const line = block.columns.map(({ right }) => (right === true ? '---:' : '---'));
      return [row(block.columns.map(({ name }) => name)), `|${line.join('|')}|`, ...block.rows.map(row)].join(
        '\n',
      );
    }
  }
}

/** Labels are text from outside. Quoted commands occur only in our own sentences. */
function plain(text: string): string {
  return printable(text).replace(/[\\*_[\]<>|#~]/g, '\\$&');
}

export type AppliedAccount = {
  account_id: string;
  label: string | null;
  mode: string;
  changed: boolean;
  identities: number;
  rejected: number;
};

export const appliedColumns = [
  'account_id',
  'label',
  'mode',
  'changed',
  'identities',
  'rejected',
] as const satisfies readonly (keyof AppliedAccount)[];

/** "Production: pseudonymous; 12,345 identities rewritten, 3 rejected records deleted" */
export function appliedLine(account: AppliedAccount, dryRun: boolean): string {
  const { account_id, label, mode, changed, identities, rejected } = account;
  const name = printable(label ?? account_id);
  if (!changed) return `${name}: already ${mode}`;
  if (mode === 'full')
    return dryRun ? `${name}: would be ${mode} from now on` : `${name}: ${mode} from now on`;
  const rewritten = plural(identities, 'identity', 'identities');
  if (dryRun) return `${name}: ${rewritten} would be rewritten`;
  return `${name}: ${mode}; ${rewritten} rewritten, ${plural(rejected, 'rejected record')} deleted`;
}
