// Flags mean the same on every command: a command with --format also has --json, and the other way round.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { createProgram } from '../../src/main.ts';
import { runCli } from '../support/cli.ts';

const IO: Parameters<typeof createProgram>[0] = {
  stdout: process.stdout,
  stderr: process.stderr,
  source: { env: {}, envFile: null },
  signal: new AbortController().signal,
  exit: () => undefined,
  watcher: [],
};

/** A command without effect: it returns the options that it was called with. */
async function parse(path: string[], flags: string[]): Promise<Record<string, unknown>> {
  const program = await createProgram(IO, path[0]);
  const command = find(program, path);
  command.configureOutput({ writeErr: () => undefined });
  let options: Record<string, unknown> = {};
  command.action((...args: unknown[]) => {
    options = (args.at(-1) as Command).opts();
  });
  await program.parseAsync([...path, ...command.registeredArguments.map(() => 'today'), ...flags], {
    from: 'user',
  });
  return options;
}

function find(program: Command, path: string[]): Command {
  return path.reduce((at, name) => at.commands.find((command) => command.name() === name)!, program);
}

function* everyCommand(
  command: Command,
  path: string[] = [],
): Generator<{ path: string[]; command: Command }> {
  for (const child of command.commands) {
    const at = [...path, child.name()];
    yield { path: at, command: child };
    yield* everyCommand(child, at);
  }
}

const all = [...everyCommand(await createProgram(IO))];
const has = (command: Command, flag: string) => command.options.some(({ long }) => long === flag);
const answering = all.filter(({ command }) => has(command, '--format') || has(command, '--json'));

test('these commands have output in formats', () => {
  assert.deepEqual(
    answering.map(({ path }) => path.join(' ')),
    [
      'sync',
      'status',
      'doctor',
      'trends',
      'users',
      'diff',
      'history',
      'accounts list',
      'rejected list',
      'rejected show',
      'rejected recheck',
    ],
  );
});

for (const { path, command } of answering) {
  describe(path.join(' '), () => {
    test('has --format, and --json as a short form', () => {
      assert.ok(has(command, '--format'), '--format');
      assert.ok(has(command, '--json'), '--json');
    });

    test('prints a table by default, and accepts both ways to ask for JSON', async () => {
      assert.equal((await parse(path, []))['format'], 'table');
      for (const flags of [
        ['--json'],
        ['--format', 'json'],
        ['--json', '--format=json'],
        ['--format=json', '--json'],
      ])
        assert.equal((await parse(path, flags))['format'], 'json', flags.join(' '));
    });

    test('refuses --json together with another format', async () => {
      const formats = command.options.find(({ long }) => long === '--format')?.argChoices ?? [];
      for (const format of formats.filter((one) => one !== 'json'))
        for (const flags of [
          ['--json', '--format', format],
          ['--format', format, '--json'],
        ])
          await assert.rejects(parse(path, flags), {
            code: 'commander.conflictingOption',
            message: `error: option '--json' cannot be used with option '--format ${format}'`,
          });
    });
  });
}

test('conflicting or unknown formats exit 64, and the message says what to leave out', async () => {
  const both = await runCli(['trends', '--json', '--format', 'csv']);
  assert.deepEqual([both.code, both.stdout], [64, '']);
  assert.match(both.stderr, /^error: option '--json' cannot be used with option '--format csv'\n/);
  const unknown = await runCli(['sync', '--format', 'csv']);
  assert.equal(unknown.code, 64);
  assert.match(unknown.stderr, /Allowed choices are table, json\./);
});
