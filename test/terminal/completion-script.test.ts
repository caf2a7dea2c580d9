// The completion scripts, in the real shells: what they offer is what the commands have.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Writable } from 'node:stream';
import { shapeOf } from '../../src/commands/completion.ts';
import { createProgram } from '../../src/main.ts';
import {
  completionScript,
  SHELLS,
  type CommandShape,
  type Shell,
} from '../../src/terminal/completion-script.ts';
import { runCommand } from '../support/run-command.ts';

const program = await createProgram({
  stdout: new Writable(),
  stderr: new Writable(),
  source: { env: {}, envFile: null },
  signal: new AbortController().signal,
  exit: () => undefined,
  watcher: [],
});
const shape = shapeOf(program);
const bySlash = (folder: string, shell: string) => path.join(folder, shell);

function isInstalled(shell: Shell): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(bySlash(folder, shell), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs `program` after the script of the shell, and returns its lines. */
function run(shell: Shell, program: string, before = ''): string[] {
  const text = `${before}\n${completionScript(shell, shape)}\n${program}`;
  const flags = { bash: ['--norc', '--noprofile'], zsh: ['-f'], fish: ['--no-config'] }[shell];
  const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', LC_ALL: 'C.UTF-8' };
  return execFileSync(shell, [...flags, '-c', text], { encoding: 'utf8', env })
    .split('\n')
    .filter((line) => line !== '');
}

const quote = (word: string) => `'${word}'`;

/** What each shell offers for the last of the words, for many command lines in one process. */
const OFFERS: Readonly<Record<Shell, (lines: readonly string[][]) => string[][]>> = {
  bash: (lines) =>
    split(
      run(
        'bash',
        lines
          .map(
            (words) =>
              `COMP_WORDS=(${['zt-risk-sync', ...words].map(quote).join(' ')}); COMP_CWORD=${words.length}; _zt_risk_sync; printf '%s\\n' "\${COMPREPLY[@]}" ---`,
          )
          .join('\n'),
      ),
    ),
  // Outside of its line editor, zsh has no completion: these functions replace the part that shows the words.
  zsh: (lines) =>
    split(
      run(
        'zsh',
        lines
          .map(
            (words) =>
              `words=(${['zt-risk-sync', ...words].map(quote).join(' ')}); CURRENT=${words.length + 1}; _zt_risk_sync; print -- ---`,
          )
          .join('\n'),
        `compdef() { : }; compset() { : }; _describe() { local word; for word in "\${(@P)2}"; do word=\${word%%:*}; [[ $word == \${words[CURRENT]#*=}* ]] && print -r -- $word; done }`,
      ),
    ),
  fish: (lines) =>
    split(
      run(
        'fish',
        lines
          .map(
            (words) =>
              `complete -C ${quote(['zt-risk-sync', ...words].join(' '))} | string replace -r '\\t.*' ''; echo ---`,
          )
          .join('\n'),
      ),
    ),
};

function split(lines: readonly string[]): string[][] {
  const blocks: string[][] = [[]];
  for (const line of lines) {
    if (line === '---') blocks.push([]);
    else blocks.at(-1)?.push(line);
  }
  return blocks.slice(0, -1).map((block) => block.toSorted());
}

function* everyCommand(
  command: CommandShape,
  at: string[] = [],
): Generator<{ at: string[]; command: CommandShape }> {
  yield { at, command };
  for (const child of command.commands) yield* everyCommand(child, [...at, child.name]);
}

for (const shell of SHELLS) {
  const skip = isInstalled(shell) ? false : `${shell} is not installed`;
  describe(`completion in ${shell}`, { skip }, () => {
    const offers = OFFERS[shell];

    it('offers every command, every option, and every value that an option may have', () => {
      const cases = [...everyCommand(shape)].flatMap(({ at, command }) => [
        { words: [...at, '--'], expected: command.options.map(({ long }) => long) },
        ...(command.commands.length === 0
          ? []
          : [{ words: [...at, ''], expected: command.commands.map(({ name }) => name) }]),
        ...command.options
          .filter(({ choices }) => choices.length > 0)
          .map(({ long, choices }) => ({ words: [...at, long, ''], expected: choices })),
      ]);
      assert.ok(cases.length > 40);
      const found = offers(cases.map(({ words }) => words));
      for (const [index, { words, expected }] of cases.entries()) {
        // Before a command, bash and zsh offer the options as well.
        const offered = found[index]!.filter((word) => words.at(-1) !== '' || !word.startsWith('--'));
        assert.deepEqual(offered, [...expected].toSorted(), words.join(' '));
      }
    });

    it('completes a word that has begun, a value behind an equals sign, and nothing where any text may stand', () => {
      const equals = shell === 'bash' ? ['trends', '--format', '=', 'js'] : ['trends', '--format=js'];
      const [begun, second, value, shells, any] = offers([
        ['tr'],
        ['accounts', 'ret'],
        equals,
        ['completion', 'z'],
        ['trends', '--since', ''],
      ]);
      assert.deepEqual([begun, second, shells, any], [['trends'], ['retire'], ['zsh'], []]);
      assert.deepEqual(
        value?.map((word) => word.replace('--format=', '')),
        ['json'],
      );
    });

    it('does not mistake the value of an option for a command', () => {
      const [formats] = offers([['users', '--account', 'trends', '--sort', 'l']]);
      assert.deepEqual(formats, ['last-event', 'level']);
    });
  });
}

describe('the completion command', () => {
  it('prints the script of every command of this version, and refuses another shell', async () => {
    for (const shell of SHELLS) {
      const { code, stdout } = await runCommand(['completion', shell]);
      assert.deepEqual([code, stdout], [0, completionScript(shell, shape)]);
    }
    assert.equal((await runCommand(['completion', 'tcsh'])).code, 64);
  });
});
