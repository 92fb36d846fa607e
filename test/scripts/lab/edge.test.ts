import test from 'ava';
import { edgeRuleset, parseEdgeCount } from '../../../scripts/lab/edge.ts';
import { ADDRESSES } from '../../../scripts/lab/layout.ts';

const metainfo = { metainfo: { version: '1.0.6', json_schema_version: 1 } };
const counter = (packets: number) => ({
  counter: { family: 'ip', name: 'outside_packets', handle: 4, packets, bytes: 0 },
});

test('the cluster’s own ranges aren’t counted', (t) => {
  const rules = edgeRuleset();
  for (const range of [ADDRESSES.nodes, ADDRESSES.pods, ADDRESSES.services]) t.true(rules.includes(range), range);
});

test('what the namespace sends and what it forwards is counted', (t) => {
  t.regex(edgeRuleset(), /hook output priority -300/);
  t.regex(edgeRuleset(), /hook forward priority -300/);
});

test('a listing without destinations counts none', (t) => {
  const json = JSON.stringify({ nftables: [metainfo, counter(0), { set: { name: 'outside', size: 512 } }] });
  t.deepEqual(parseEdgeCount(json), { packets: 0, flows: [] });
});

test('a listing names who sent where', (t) => {
  const elem = [{ elem: { val: { concat: ['10.78.1.4', '192.0.2.1'] }, counter: { packets: 3, bytes: 180 } } }];
  const json = JSON.stringify({ nftables: [metainfo, counter(3), { set: { name: 'outside', elem } }] });
  t.deepEqual(parseEdgeCount(json), { packets: 3, flows: [{ from: '10.78.1.4', to: '192.0.2.1', packets: 3 }] });
});

test('a listing without the counter is an error, not a zero', (t) => {
  t.throws(() => parseEdgeCount(JSON.stringify({ nftables: [metainfo] })), { message: /outside_packets/ });
});
