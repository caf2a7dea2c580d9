// The message of `person` after the file is written. Pure.
import type { PersonCounts } from '../../../answers/person/person-file.ts';
import { plural } from '../../../words.ts';
import type { View } from '../../view.ts';
import { wrap } from '../../wrap.ts';

export function writtenText(out: string, counts: PersonCounts, view: View): string {
  const parts = [
    plural(counts.identities, 'version of email and name', 'versions of email and name'),
    plural(counts.levels, 'period at a level', 'periods at a level'),
    plural(counts.activity, 'change of counters', 'changes of counters'),
    plural(counts.rejected, 'rejected record'),
  ];
  const where = out === '-' ? '' : `${out}: `;
  const lines = [`${where}${plural(counts.accounts, 'account')}, ${parts.join(', ')}`];
  if (counts.unsure > 0)
    lines.push(
      `${plural(counts.unsure, 'rejected record')} may be about this person or somebody else, and ${counts.unsure === 1 ? 'is' : 'are'} not in the file: see \`zt-risk-sync rejected list --all\`.`,
    );
  return `${lines.map((line) => wrap(line, 2, view.textWidth)).join('\n')}\n`;
}
