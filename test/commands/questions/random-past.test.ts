// What commands say about a random world, compared with an oracle that knows only the published states. All share one
// world, because creating one takes seconds.
import { after, before } from 'node:test';
import { livePasts, type LivedPasts } from '../../support/histories/lived-pasts.ts';
import { aboutTrends } from './about-trends.ts';
import { aboutUsers } from './about-users.ts';
import { aboutDiffs } from './about-diffs.ts';
import { aboutChanges } from './about-changes.ts';
import { aboutTables } from './about-tables.ts';

let lived: LivedPasts;
before(async () => {
  lived = await livePasts();
});
after(() => lived.close());

for (const about of [aboutTrends, aboutUsers, aboutDiffs, aboutChanges, aboutTables]) about(() => lived);
