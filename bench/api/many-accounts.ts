// Thousands of small accounts that change with the clock: at each step, a share of each account's users acts. An
// account catches up when its first page is asked for, so a walk never sees a list that moves.
import { createAccount, type Account } from './account.ts';
import { createPages, type Pages } from './pages.ts';

export type ManyOptions = {
  users: number;
  /** The share of the users of each account that acts at each step. */
  actingShare: number;
  stepMs: number;
};
export type ManyAccounts = ReturnType<typeof createManyAccounts>;

const NEVER_MORE_STEPS = 3;

export function createManyAccounts({ users, actingShare, stepMs }: ManyOptions) {
  const began = Date.now();
  const known = new Map<string, Living>();
  return {
    get(accountId: string): Pick<Pages, 'page'> & Pick<Account, 'lookUp'> {
      let living = known.get(accountId);
      if (living === undefined) {
        living = createLiving(users, Number.parseInt(accountId.slice(0, 7), 16));
        known.set(accountId, living);
      }
      const { account, pages } = living;
      return {
        lookUp: account.lookUp,
        page(number, perPage) {
          const step = Math.floor((Date.now() - began) / stepMs);
          if (number === 1 && step > living.step) {
            const steps = Math.min(step - living.step, NEVER_MORE_STEPS);
            for (let turn = 0; turn < steps; turn++) account.act(actingShare);
            living.step = step;
            pages.prepare(perPage);
          }
          return pages.page(number, perPage);
        },
      };
    },
  };
}

type Living = { account: Account; pages: Pages; step: number };

function createLiving(users: number, seed: number): Living {
  const account = createAccount({ users, seed });
  return { account, pages: createPages(account, false), step: 0 };
}
