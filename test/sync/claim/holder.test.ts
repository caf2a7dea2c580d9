// Who holds a lease: whether that run still lives.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { judgeHolder } from '../../../src/sync/claim/claim-lease.ts';
import { LEASE_TIMING } from '../../../src/sync/claim/lease.ts';
import { isKnownDead, processIdentity } from '../../../src/host/process-identity.ts';

const onLinux = { skip: process.platform !== 'linux' };

test('a holder is running, silent or expired by the length of its silence, and expired at once when it is known to be dead', () => {
  const timing = { heartbeatMs: 5_000, leaseMs: 30_000, pollMs: 1_000, graceMs: 20_000 };
  const cases: [silentMs: number, dead: boolean, expected: string][] = [
    [0, false, 'running'],
    // If the database's clock steps back, that is not silence.
    [-60_000, false, 'running'],
    [7_500, false, 'running'],
    [7_500.001, false, 'silent'],
    [30_000, false, 'silent'],
    [30_000.001, false, 'expired'],
    [86_400_000, false, 'expired'],
    [0, true, 'expired'],
    [7_501, true, 'expired'],
  ];
  for (const [silentMs, dead, expected] of cases) {
    const holder = { runId: 1, startedAt: new Date(0), host: 'h', process: '', silentMs };
    assert.equal(judgeHolder(holder, timing, dead), expected, `${silentMs} ms, dead: ${dead}`);
  }
  assert.deepEqual(LEASE_TIMING, timing);
});

test(
  'a process is known to be dead only on the same boot and in the same pid namespace',
  onLinux,
  async () => {
    const me = processIdentity();
    assert.equal(isKnownDead(me.process), false);
    const [boot, namespace, , started] = me.process.split('/');
    const child = spawn('sleep', ['60']);
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const begun = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    const theirs = `${boot}/${namespace}/${child.pid}/${begun}`;
    assert.equal(isKnownDead(theirs), false);
    assert.equal(isKnownDead(`${boot}/${namespace}/${child.pid}/1`), true, 'its pid is used again');
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(isKnownDead(theirs), true);
    assert.equal(isKnownDead(`other/${namespace}/${child.pid}/${begun}`), false);
    assert.equal(isKnownDead(`${boot}/other/${child.pid}/${begun}`), false);
    assert.equal(namespace, readlinkSync('/proc/self/ns/pid').replace(/\D/g, ''));
    for (const text of ['', 'x', '///', `${boot}/${namespace}`, `a/b/c/d/${started}`]) {
      assert.equal(isKnownDead(text), false, JSON.stringify(text));
    }
  },
);
