// The file that people start: looks at Node, keeps compiled code, and hands over to main.ts. It is bundled apart, without any
// import but Node's own, so that a Node which cannot read the rest says so in our words.
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { printError } from './terminal/print-error.ts';
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
      todo: `Install Node ${OLDEST_NODE}; in a checkout, \`npm start -- <command>\` uses the one that npm ci brought`,
    }),
  );
  process.exitCode = EXIT.configuration;
} else {
  // Beside the program, where whoever may write may change the program as well: a folder that everybody shares, such as Node's
  // default below /tmp, could hand us another user's code. Where it cannot be written, nothing is kept, and nothing fails.
  module.enableCompileCache(fileURLToPath(new URL('../dist/compile-cache', import.meta.url)));
  const { main } = await import('./main.ts');
  process.exitCode = await main(process.argv.slice(2));
}
