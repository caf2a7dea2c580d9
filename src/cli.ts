// The file that people start: checks the version of Node, enables the compile cache, and calls main.ts. Bundled
// separately, and imports only Node's own modules. So an old Node that cannot read the rest still prints our message.
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { printError } from './terminal/print/print-error.ts';
import { EXIT, OperatorError } from './errors.ts';

const OLDEST_NODE = 24;

const { node } = process.versions;
if (Number.parseInt(node, 10) < OLDEST_NODE) {
  printError(
    process,
    new OperatorError({
      code: 'NODE_TOO_OLD',
      happened: `This is Node ${node}, and zt-risk-sync needs ${OLDEST_NODE} or newer`,
      means: 'Nothing was started',
      todo: `Install Node ${OLDEST_NODE}; in a checkout, \`npm start -- <command>\` uses the Node that npm ci installed`,
    }),
  );
  process.exitCode = EXIT.configuration;
} else {
  // Deprecations are for developers. Printed, they would appear among the lines of the log.
  process.noDeprecation = true;
  // Beside the program, because anyone who can write there can change the program as well. A shared folder, such as
  // Node's default below /tmp, could give us another user's code. Without the right to write, nothing is cached, and
  // nothing fails.
  module.enableCompileCache(fileURLToPath(new URL('../dist/compile-cache', import.meta.url)));
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
}
