// A client of the embedded server is killed while it starts the server, at many instants.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEmbedded, stopEmbedded } from '../../../src/db/embedded/embedded-postgres.ts';
import { newHome, query, startClient } from '../../support/database/servers/embedded-home.ts';
import { borrowBinaries } from '../../support/database/servers/postgres-server.ts';

describe('a client killed during the start leaves nothing to repair', () => {
  const instants: [string, RegExp | undefined, number][] = [
    ['before it begins', undefined, 60],
    ['while it copies the binaries', /copying/, 20],
    ['as initdb starts', /creating/, 5],
    ['while initdb works', /creating/, 150],
    ['later in initdb', /creating/, 400],
    ['around the launch', /creating/, 680],
    ['while the server starts', /creating/, 740],
  ];
  for (const [title, message, delayMs] of instants) {
    test(title, async (t) => {
      const place = await newHome();
      // Most are not about the copy of the binaries.
      if (message?.test('creating')) await borrowBinaries(place.dataHome, 18);
      const killed = startClient(place);
      const closed = once(killed, 'close');
      if (message) {
        for await (const chunk of killed.stderr!) if (message.test(String(chunk))) break;
      }
      await sleep(delayMs);
      killed.kill('SIGKILL');
      await closed;
      const folder = path.join(place.dataHome, 'zt-risk-sync');
      t.diagnostic((await readdir(folder).catch(() => [])).join(' '));
      const { url } = await startEmbedded(place);
      assert.deepEqual(await query(url, 'select 1 as n'), [{ n: 1 }]);
      await stopEmbedded(place);
      // The killed client's initdb may have run on for a while. The next start removes what it left.
      await startEmbedded(place);
      await stopEmbedded(place);
      assert.deepEqual((await readdir(folder)).sort(), ['binaries', 'postgres-18', 'postgres-18.log']);
      assert.equal((await readdir(path.join(folder, 'binaries'))).length, 1);
    });
  }
});
