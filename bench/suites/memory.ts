// Suite `memory`: peak resident memory of the command. BENCH_USERS (one or more). BENCH_ONE_ANSWER: users of an account
// that arrives in one answer, for any requested page.
import { numbersOf, type Bench } from '../harness/bench.ts';
import { median } from '../harness/median.ts';
import { createReport } from '../harness/report.ts';
import { chosenCases, figuresOf, live, type Life } from './life.ts';

const PER_PAGE = 1_000;

export async function memorySuite(bench: Bench): Promise<void> {
  const sizes = numbersOf('BENCH_USERS', [100_000, 1_000_000]);
  const [whole] = numbersOf('BENCH_ONE_ANSWER', [200_000]);
  // Memory varies less than time, and the large accounts take minutes.
  const rounds = Math.min(bench.rounds, 3);
  const report = createReport('memory', { users: sizes.join(' '), one_answer: whole!, rounds });
  const worlds = [...sizes.map((users) => ({ users, oneAnswer: false })), { users: whole!, oneAnswer: true }];
  for (const { users, oneAnswer } of worlds) {
    const lives: Life[] = [];
    for (let round = 0; round < rounds; round++)
      lives.push(await live(bench, { users, perPage: PER_PAGE, oneAnswer }));
    for (const name of chosenCases()) {
      const figures = figuresOf(lives, name);
      await report.add({
        case: name,
        users,
        answers: oneAnswer ? 'one' : `of ${PER_PAGE}`,
        peak_mb: median(figures.map(({ peakMb }) => peakMb)),
        highest_mb: Math.max(...figures.map(({ peakMb }) => peakMb)),
        wall_ms: median(figures.map(({ wallMs }) => wallMs)),
      });
    }
  }
  report.print();
}
