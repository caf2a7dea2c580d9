// The API against its own OpenAPI document, by Schemathesis. It sends what the document allows and what the document
// forbids. Every status, content type and body must be as the document says. Skipped where Python has no schemathesis
// (test/support/python.ts). SCHEMATHESIS_EXAMPLES is the number of random requests to each resource; with 20 or more,
// its other phases run as well.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startApp } from '../../support/api/http-app.ts';
import { missingPython, runPython } from '../../support/python.ts';
import { reportingWorld } from '../../support/world/reporting-world.ts';

const skip = (await missingPython(['schemathesis'], 'schemathesis')) ?? false;
const EXAMPLES = Number(process.env['SCHEMATHESIS_EXAMPLES'] ?? 5);
const PHASES = EXAMPLES < 20 ? 'fuzzing' : 'examples,coverage,fuzzing,stateful';

// Schemathesis stores its findings in the folder where it runs.
const SCRIPT = `import os, sys
os.chdir(sys.argv.pop(1))
from schemathesis.cli import schemathesis
schemathesis()`;

// No pattern distinguishes a real date from the 30th of February. And an address over 8 kB is refused before it is
// read.
const CONFIG = `[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 400, 401, 403, 404, 431]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 431]
`;

test('schemathesis finds no answer that the OpenAPI document does not describe', { skip }, async (t) => {
  const world = await reportingWorld();
  const folder = await mkdtemp(path.join(tmpdir(), 'schemathesis-'));
  t.after(async () => {
    await world.close();
    await rm(folder, { recursive: true });
  });
  const config = path.join(folder, 'schemathesis.toml');
  await writeFile(config, CONFIG);
  const app = await startApp(t, { databaseUrl: world.database.url, token: null });
  const options = {
    checks: 'all',
    phases: PHASES,
    'max-examples': String(EXAMPLES),
    workers: '2',
    'generation-database': 'none',
  };
  const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
  const said = await runPython(
    SCRIPT,
    folder,
    `--config-file=${config}`,
    'run',
    app.url('/api/v1/openapi.json'),
    ...flags,
  );
  assert.match(said, /No issues found/, said);
});
