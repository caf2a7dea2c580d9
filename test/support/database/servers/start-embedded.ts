// A client of the embedded Postgres that a test can kill. Usage: node start-embedded.ts <data home>
import { startEmbedded } from '../../../../src/db/embedded/embedded-postgres.ts';

const dataHome = process.argv[2];
if (dataHome === undefined) throw new Error('usage: start-embedded.ts <data home>');
const server = await startEmbedded({
  dataHome,
  home: dataHome,
  onProgress: (message) => process.stderr.write(`${message}\n`),
});
process.stdout.write(`${JSON.stringify(server)}\n`);
