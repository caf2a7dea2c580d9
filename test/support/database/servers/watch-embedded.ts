// The watcher of a test run's server: when the run was killed, it stops the server and removes its folder.
// Usage: node watch-embedded.ts <major> --data-home <folder>
import { watchEmbedded } from '../../../../src/db/embedded/watch.ts';
import type { EmbeddedMajor } from '../../../../src/db/embedded/layout.ts';
import { removeFolder } from './postgres-server.ts';

const [major, , dataHome] = process.argv.slice(2);
if (dataHome === undefined) throw new Error('usage: watch-embedded.ts <major> --data-home <folder>');

const ending = await watchEmbedded({
  dataHome,
  home: dataHome,
  major: Number(major) as EmbeddedMajor,
  idleMs: 5 * 60_000,
  everyMs: 10_000,
});
if (ending === 'stopped') await removeFolder(dataHome);
