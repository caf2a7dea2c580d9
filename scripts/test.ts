// `npm test`: everything on PostgreSQL 18 and, beside it on a server of its own, what may differ on 15. One after the other
// they took 14 minutes on two cores, most of it waiting.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

function start(script: string, stdout: 'inherit' | 'pipe') {
  const child = spawn('npm', ['run', '-s', script], { stdio: ['ignore', stdout, 'inherit'] });
  const output: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => output.push(piece));
  const ended = once(child, 'close') as Promise<[code: number | null]>;
  return { output, code: ended.then(([code]) => code ?? 1) };
}

const newest = start('test:18', 'inherit');
const oldest = start('test:15', 'pipe');
const codes = [await newest.code, await oldest.code];
process.stdout.write('\nPostgreSQL 15:\n');
process.stdout.write(Buffer.concat(oldest.output));
process.exitCode = Math.max(...codes);
