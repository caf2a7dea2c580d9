// An account is named by its id or its label, the same way for every command.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accountUnknown, resolveAccounts } from '../../src/answers/resolve-accounts.ts';

const id = (digit: string) => digit.repeat(32);
const HEAD = { account_id: id('a'), label: 'Head office' };
const BRANCH = { account_id: id('b'), label: 'Branch' };
const TWIN = { account_id: id('c'), label: 'Branch' };
const PLAIN = { account_id: id('d'), label: null };
// Its label is another account's id.
const TRICKY = { account_id: id('e'), label: id('a') };
const KNOWN = [HEAD, BRANCH, PLAIN, TRICKY];

const find = (...wanted: string[]) => resolveAccounts(KNOWN, wanted);

describe('resolveAccounts', () => {
  it('finds accounts by id and by label, each once, in the order in which they were named', () => {
    assert.deepEqual(find(id('d'), 'Head office', id('a'), 'head OFFICE'), [PLAIN, HEAD]);
  });

  it('ignores case only where nothing matches exactly', () => {
    const shout = { account_id: id('f'), label: 'BRANCH' };
    assert.deepEqual(resolveAccounts([BRANCH, shout], ['BRANCH']), [shout]);
    assert.deepEqual(resolveAccounts([BRANCH], ['branch']), [BRANCH]);
    assert.deepEqual(find(id('A')), [HEAD]);
  });

  it('prefers an id to a label that looks like it', () => {
    assert.deepEqual(find(id('a')), [HEAD]);
  });

  it('refuses a label that several accounts have, and names them', () => {
    assert.throws(() => resolveAccounts([...KNOWN, TWIN], ['Branch']), {
      code: 'ACCOUNT_AMBIGUOUS',
      happened: '2 accounts have the label "Branch"',
      means: `It is not clear which one is meant: ${id('b')}, ${id('c')}`,
    });
  });

  it('repeats an unknown name, made safe, and lists the accounts that exist', () => {
    assert.throws(() => find('Brunch \u001b[2J'), {
      code: 'ACCOUNT_UNKNOWN',
      happened: 'There is no account "Brunch \ufffd[2J" in this history',
      means: new RegExp(`There are ${id('b')} \\(Branch\\), ${id('a')} \\(Head office\\), `),
    });
    assert.match(accountUnknown('x', []).means, /There is none yet$/);
  });

  it('names only the nearest of many accounts', () => {
    const many = Array.from({ length: 40 }, (_, n) => ({
      account_id: `${n}`.padStart(32, '0'),
      label: `Site ${n}`,
    }));
    const { means } = accountUnknown('site 37 x', many);
    assert.match(means, /The nearest are 0+37 \(Site 37\), /);
    assert.equal(means.split(', ').length, 5);
  });

  it('never repeats an email', () => {
    const error = accountUnknown('ada@example.com', KNOWN);
    assert.doesNotMatch(error.message, /ada|example/);
  });
});
