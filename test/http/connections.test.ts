// Who gives way when there are too many connections. Pure; server.test.ts does it with real ones.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf, whoGivesWay } from '../../src/http/connections.ts';

/** Seats in the order of their last sign of life, named by network and number. */
const seats = (...held: [network: string, count: number][]) =>
  new Map(
    held.flatMap(([network, count]) =>
      Array.from({ length: count }, (_, i) => [`${network}${i}`, network] as const),
    ),
  );

test('the connection that gives way is the one silent for longest, in the network with the most connections', () => {
  assert.equal(whoGivesWay(seats(['kubelet', 1], ['crowd', 20], ['other', 19])), 'crowd0');
  assert.equal(whoGivesWay(seats(['other', 19], ['kubelet', 1], ['crowd', 20])), 'crowd0');
  assert.equal(whoGivesWay(seats(['proxy', 30])), 'proxy0');
  assert.equal(whoGivesWay(new Map()), undefined);
});

test('networks with a few connections count alike, so that the older of two probes does not give way', () => {
  assert.equal(whoGivesWay(seats(['stranger', 1], ['kubelet', 2], ['another', 1])), 'stranger0');
  assert.equal(whoGivesWay(seats(['kubelet', 8], ['crowd', 9])), 'crowd0');
});

test('an IPv4 address counts alone, also when it is mapped, and an IPv6 address counts as its network of 64 bits', () => {
  const networks = (addresses: string[]) => new Set(addresses.map(networkOf)).size;
  assert.equal(networks(['10.0.0.1', '::ffff:10.0.0.1', '::FFFF:10.0.0.1']), 1);
  assert.equal(networks(['10.0.0.1', '10.0.0.2', '::ffff:10.0.0.3']), 3);
  assert.equal(networks(['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::']), 1);
  assert.equal(networks(['2001:db8::1', '2001:db8:0:0:7::', '2001:db8::ffff:1']), 1);
  assert.equal(networks(['2001:db8:1:2::1', '2001:db8:1:3::1', '2001:db8:2::1', '2001:db8::1']), 4);
  assert.equal(networks(['fe80::1%eth0', 'fe80::2']), 1);
  assert.notEqual(networkOf('::1'), networkOf('127.0.0.1'));
});
