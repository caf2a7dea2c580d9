// Flags mean the same on every command. A command with --format also has --json, and the other way round. Every
// --account is repeatable. Every command that shows a time has --timezone.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Command } from 'commander';
import { createProgram } from '../../src/main.ts';
import { runCli } from '../support/cli.ts';
import { runCommand } from '../support/run-command.ts';

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
  await program.parseAsync(
    [...path, ...command.registeredArguments.map(({ argChoices }) => argChoices?.[0] ?? 'today'), ...flags],
    {
      from: 'user',
    },
  );
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
const formats = (command: Command) =>
  command.options.find(({ long }) => long === '--format')?.argChoices ?? [];
/** Files and documents for programs have formats of their own. */
const forPrograms = (command: Command) =>
  ['ndjson', 'yaml', 'html'].some((one) => formats(command).includes(one));
const answering = all.filter(
  ({ command }) => !forPrograms(command) && (formats(command).length > 0 || has(command, '--json')),
);

test('these commands have output in formats', () => {
  assert.deepEqual(
    answering.map(({ path }) => path.join(' ')),
    [
      'sync',
      'status',
      'doctor',
      'changes',
      'trends',
      'users',
      'diff',
      'history',
      'import',
      'publication status',
      'accounts list',
      'rejected list',
      'rejected show',
      'rejected recheck',
      'prune',
      'privacy show',
      'privacy apply',
      'erase',
      'erased list',
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
      for (const format of formats(command).filter((one) => one !== 'json'))
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

test('--account is the same option on every command that has it, and can be given several times', async () => {
  const choosing = all.filter(({ path, command }) => has(command, '--account') && path[0] !== 'import');
  assert.deepEqual(
    choosing.map(({ path }) => path.join(' ')).filter((name) => !EVERY_ACCOUNT.includes(name)),
    // The answers that `import` reads belong to one account, which may be new.
    answering.map(({ path }) => path.join(' ')).filter((name) => !OF_NO_ACCOUNT.includes(name)),
  );
  for (const { path, command } of choosing) {
    const option = command.options.find(({ long }) => long === '--account');
    assert.equal(option?.description, 'only this account: its id or its label (repeatable)', path.join(' '));
    const { account } = await parse(path, ['--account', 'Head office', '--account', 'x']);
    assert.deepEqual(account, ['Head office', 'x'], path.join(' '));
    assert.deepEqual((await parse(path, []))['account'], [], path.join(' '));
  }
});

/** Commands with an answer that is not about accounts one by one. */
const OF_NO_ACCOUNT = [
  'publication status',
  'accounts list',
  'import',
  'privacy show',
  'privacy apply',
  'erase',
  'erased list',
];
/** Commands with an answer that has no time. */
const WITHOUT_TIMES = ['privacy apply', 'erase', 'erased list'];
/** Commands with --account that print no answer. */
const EVERY_ACCOUNT = ['serve', 'export', 'report'];

test('every command with an answer takes --timezone, and refuses a zone that does not exist', async () => {
  for (const { path } of answering) {
    if (WITHOUT_TIMES.includes(path.join(' '))) continue;
    assert.equal((await parse(path, ['--timezone', 'Asia/Tokyo']))['timezone'], 'Asia/Tokyo', path.join(' '));
    await assert.rejects(
      parse(path, ['--timezone', 'Europe/Atlantis']),
      /must be a time zone/,
      path.join(' '),
    );
  }
});

test('an unknown subcommand is named, with the one that was probably meant and all that exist', async () => {
  for (const [path, message] of [
    [
      ['rejected', 'shwo'],
      "error: unknown command 'shwo'\n(Did you mean show?)\n(the commands are list, show, recheck; add --help for the options)\n",
    ],
    [
      ['accounts', 'lst'],
      "error: unknown command 'lst'\n(Did you mean list?)\n(the commands are list, label, retire, restore; add --help for the options)\n",
    ],
    [
      ['database', 'strat'],
      "error: unknown command 'strat'\n(Did you mean start?)\n(the commands are start, stop, url, psql, copy, backup, restore; add --help for the options)\n",
    ],
    [
      ['accounts', 'frobnicate', 'x'],
      "error: unknown command 'frobnicate'\n(the commands are list, label, retire, restore; add --help for the options)\n",
    ],
  ] as const) {
    const { code, stdout, stderr } = await runCommand(path);
    assert.deepEqual([code, stdout, stderr], [64, '', message]);
  }
  const extra = await runCommand(['accounts', 'list', 'lst']);
  assert.match(extra.stderr, /^error: too many arguments for 'list'/);
});

test('a value that is not allowed is named, with the one that was probably meant', async () => {
  for (const [path, meant] of [
    [['export', 'levles'], 'levels'],
    [['export', 'runs', 'snapshot-user'], 'snapshot-users'],
    [['completion', 'zhs'], 'zsh'],
    [['report', '--format', 'jsno'], 'json'],
    [['status', '--format', 'tabel'], 'table'],
    [['privacy', '--format', 'markdwon'], 'markdown'],
    [['users', '--level', 'hgih'], 'high'],
    [['changes', '--change', 'rased'], 'raised'],
    [['trends', '--bucket', 'moth'], 'month'],
    [['simulate', '--faults', 'empty,flakey'], 'flaky'],
  ] as const) {
    const { code, stdout, stderr } = await runCommand(path);
    assert.deepEqual([code, stdout], [64, '']);
    assert.ok(stderr.includes(`(Did you mean ${meant}?)`), stderr);
  }
  for (const text of ['xyzzy', '--hel', 'help', '']) {
    const { code, stderr } = await runCommand(['report', `--format=${text}`]);
    assert.equal(code, 64);
    assert.match(stderr, /Allowed choices are html, md, json\.\n\(add --help/);
  }
});

test('the help of every command fits 80 columns', async () => {
  for (const { path } of all) {
    const { stdout } = await runCommand([...path, '--help']);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `${path.join(' ')}: ${line}`);
    assert.match(stdout, /^Usage: /);
  }
});
