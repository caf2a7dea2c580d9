// Suite `sync`: one account through its life, at several sizes and page sizes; then accounts beside others.
// BENCH_USERS and BENCH_PER_PAGE (one or more each).
import { numbersOf, type Bench } from '../harness/bench.ts';
import { caseRow } from '../harness/row.ts';
import { createReport } from '../harness/report.ts';
import { median } from '../harness/median.ts';
import { afterMassClear, besideLargeAccount, fourSideBySide } from './beside-others.ts';
import { chosenCases, figuresOf, live, type Life } from './life.ts';

export async function syncSuite(bench: Bench): Promise<void> {
  const sizes = numbersOf('BENCH_USERS', [1_000, 20_000, 100_000]);
  const pageSizes = numbersOf('BENCH_PER_PAGE', [50, 1_000]);
  const report = createReport('sync', {
    users: sizes.join(' '),
    per_page: pageSizes.join(' '),
    rounds: bench.rounds,
  });
  for (const users of sizes)
    for (const perPage of pageSizes) {
      const lives: Life[] = [];
      for (let round = 0; round < bench.rounds; round++) lives.push(await live(bench, { users, perPage }));
      const references = lives.map((life) => life.references);
      for (const name of chosenCases())
        await report.add(
          caseRow({ case: name, users, per_page: perPage }, figuresOf(lives, name), references),
        );
      await report.add({
        case: 'migrations alone',
        users,
        per_page: perPage,
        wall_ms: median(lives.map(({ migrateMs }) => migrateMs)),
      });
    }
  for (const suite of [besideLargeAccount, afterMassClear, fourSideBySide]) await suite(bench, report);
  report.print();
}
