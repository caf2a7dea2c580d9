// Which of the due accounts goes first, and that replicas do not all begin with the same one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { inOrder, type Due } from '../../src/scheduler/order.ts';
import { createAgenda } from '../../src/scheduler/agenda.ts';

const HOUR = 3_600_000;
const due = (accountId: string, attempts: number, sinceSuccessMs: number | null): Due => ({
  accountId,
  facts: { isDone: false, isHeld: false, isRetired: false, attempts, sinceAttemptMs: null, sinceSuccessMs },
});

test('an untried account goes before one that failed, and then the one that is longest without a success', () => {
  const some = [
    due('failed', 2, null),
    due('fresh', 0, HOUR),
    due('old', 0, 30 * HOUR),
    due('never', 0, null),
    due('older', 0, 31 * HOUR),
  ];
  const ids = inOrder(some, HOUR, () => 0.5).map(({ accountId }) => accountId);
  assert.deepEqual(ids, ['never', 'older', 'old', 'fresh', 'failed']);
});

test('keeps every account, keeps the rule for any two of them, and shuffles accounts that rank alike', () => {
  const one = fc.record({ attempts: fc.nat(2), since: fc.option(fc.nat(5 * HOUR)) });
  fc.assert(
    fc.property(
      fc.array(one),
      fc.constantFrom(0, HOUR),
      fc.infiniteStream(fc.double({ min: 0, max: 0.99, noNaN: true })),
      (given, intervalMs, tickets) => {
        const all = given.map(({ attempts, since }, n) => due(String(n), attempts, since));
        const ordered = inOrder(all, intervalMs, () => tickets.next().value as number);
        assert.deepEqual(new Set(ordered), new Set(all));
        const missed = ({ facts: { sinceSuccessMs: ms } }: Due) =>
          ms === null ? Infinity : intervalMs === 0 ? 0 : Math.floor(ms / intervalMs);
        for (const [n, next] of ordered.slice(1).entries()) {
          const before = ordered[n]!;
          assert.ok(before.facts.attempts <= next.facts.attempts);
          if (before.facts.attempts === next.facts.attempts) assert.ok(missed(before) >= missed(next));
        }
      },
    ),
  );
  const alike = Array.from({ length: 50 }, (_, n) => due(String(n), 0, HOUR));
  const first = new Set(Array.from({ length: 100 }, () => inOrder(alike, HOUR, Math.random)[0]!.accountId));
  assert.ok(first.size > 1);
});

test('whatever happens to an account, it is busy, due or resting, and never two of these', () => {
  const ids = ['a', 'b', 'c', 'd'];
  const step = fc.oneof(
    fc.record({ do: fc.constant('keep' as const), ids: fc.subarray(ids) }),
    fc.record({ do: fc.constantFrom('wake' as const, 'look' as const, 'start' as const), n: fc.nat(3) }),
    fc.record({ do: fc.constant('end' as const), n: fc.nat(3) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const agenda = createAgenda();
      let listed: string[] = [];
      const busy: string[] = [];
      for (const [now, act] of steps.entries()) {
        if (act.do === 'keep') agenda.keep((listed = act.ids));
        else if (act.do === 'wake') agenda.wakeAll();
        else if (act.do === 'look') {
          const asked = agenda.toAsk(now);
          assert.ok(asked.every((id) => listed.includes(id) && !busy.includes(id)));
          agenda.addDue(asked.slice(0, act.n), now);
          for (const id of asked.slice(act.n)) agenda.rest(id, now + 2);
        } else if (act.do === 'start') {
          const taken = agenda.takeDue(act.n + 1);
          assert.ok(taken.every(({ accountId: id }) => listed.includes(id) && !busy.includes(id)));
          for (const { accountId } of taken.slice(0, act.n)) {
            agenda.begin(accountId);
            busy.push(accountId);
          }
          agenda.putBack(
            taken.slice(act.n).map(({ accountId }) => accountId),
            now,
          );
        } else if (busy.length > 0) agenda.end(busy.splice(act.n % busy.length, 1)[0]!, now + 1);
        assert.equal(agenda.busy(), busy.length);
      }
      // In the end every account that is listed can be reached.
      for (const id of busy) agenda.end(id, 0);
      const left = new Set([...agenda.takeDue(9).map(({ accountId }) => accountId), ...agenda.toAsk(1_000)]);
      assert.deepEqual([...left].toSorted(), listed.toSorted());
    }),
  );
});
