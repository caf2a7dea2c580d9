// Suite `distance`: the life of an account with the database 10 ms away, compared with a local database.
// BENCH_USERS (one or more), BENCH_DISTANCE_MS: the round trip.
import { numbersOf, type Bench } from '../harness/bench.ts';
import { distanced } from '../harness/distance.ts';
import { median } from '../harness/median.ts';
import { createReport } from '../harness/report.ts';
import { chosenCases, figuresOf, live, type Life } from './life.ts';

const PER_PAGE = 1_000;

export async function distanceSuite(bench: Bench): Promise<void> {
  const sizes = numbersOf('BENCH_USERS', [1_000, 20_000, 100_000]);
  const [distanceMs] = numbersOf('BENCH_DISTANCE_MS', [10]);
  const report = createReport('distance', {
    users: sizes.join(' '),
    distance_ms: distanceMs!,
    rounds: bench.rounds,
  });
  await distanced(bench, distanceMs!, async (via) => {
    for (const users of sizes) {
      const here: Life[] = [];
      const away: Life[] = [];
      for (let round = 0; round < bench.rounds; round++) {
        here.push(await live(bench, { users, perPage: PER_PAGE }));
        away.push(await live(bench, { users, perPage: PER_PAGE, via }));
      }
      for (const name of chosenCases()) {
        const [near, far] = [here, away].map((lives) =>
          median(figuresOf(lives, name).map(({ wallMs }) => wallMs)),
        );
        await report.add({
          case: name,
          users,
          here_ms: near!,
          away_ms: far!,
          here_x: far! / near!,
          // What the distance costs, in round trips.
          round_trips: (far! - near!) / distanceMs!,
        });
      }
    }
    report.print();
  });
}
