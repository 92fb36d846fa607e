import test from 'ava';
import fc from 'fast-check';

import { nodeView } from '../../daemonset/node-object.ts';
import { lackOf, TRUST_TAINT, taintPatch } from '../../daemonset/node-taint.ts';
import { conditionOf, reportIn, type TrustReport } from '../../daemonset/trust-condition.ts';
import { BOOT_1, BOOT_2, type NodeSetup, nodeObject } from './node-world.ts';

const GENERATION = { number: 12, signedAt: new Date('2026-01-01T00:00:00Z') };

function lack(setup: NodeSetup) {
  const node = nodeView(nodeObject(setup));
  return node === undefined ? 'no node' : lackOf(node);
}

const synced = { report: { generation: GENERATION } };

test('a node that is Ready and synced for its boot lacks nothing', (t) => {
  t.is(lack(synced), undefined);
  t.is(lack({ report: { reason: 'LastKnownGood', generation: GENERATION } }), undefined);
});

for (const [setup, expected] of [
  [{ ...synced, ready: 'False' }, 'not Ready'],
  [{ ...synced, ready: 'Unknown' }, 'not Ready'],
  [{ ...synced, bootId: '' }, 'no boot id'],
  [{}, 'no TrustSynced condition'],
  [{ report: { synced: false, reason: 'NoGeneration' } }, 'not synced'],
  [{ report: { bootId: BOOT_2 } }, 'synced for another boot'],
] as const) {
  test(`a node is tainted when it is ${expected}: ${JSON.stringify(setup)}`, (t) => t.is(lack(setup), expected));
}

test('a condition that no agent wrote does not count', (t) => {
  const node = nodeObject(synced);
  const status = node.status as { conditions: { type: string; message?: string }[] };
  for (const message of ['', 'all good', `boot=${BOOT_1}.`, ` boot=${BOOT_1}`, `boot=${BOOT_1} generation=1`]) {
    const conditions = status.conditions.map((each) => (each.type === 'TrustSynced' ? { ...each, message } : each));
    const view = nodeView({ ...node, status: { ...status, conditions } });
    t.is(view === undefined ? undefined : lackOf(view), 'no TrustSynced condition', message);
  }
});

function patched(setup: NodeSetup): unknown {
  const node = nodeView(nodeObject(setup));
  const patch = node === undefined ? undefined : taintPatch(node);
  return patch?.type === 'merge' ? (patch.body['spec'] as { taints: unknown }).taints : undefined;
}

const other = { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' };

test('the taint is added beside others, and taken away from among them', (t) => {
  t.deepEqual(patched({ taints: [other] }), [other, TRUST_TAINT]);
  t.deepEqual(patched({ ...synced, taints: [other, { ...TRUST_TAINT, value: 'kubelet' }] }), [other]);
});

test('nothing is written when the taint is as it should be', (t) => {
  t.is(patched({ taints: [other, { ...TRUST_TAINT, value: 'set-by-kubelet' }] }), undefined);
  t.is(patched({ ...synced, taints: [other] }), undefined);
});

test('a NoExecute taint of the same key does not stand in for NoSchedule, and goes when the node is synced', (t) => {
  const harder = { key: TRUST_TAINT.key, effect: 'NoExecute' };
  t.deepEqual(patched({ taints: [harder] }), [harder, TRUST_TAINT]);
  t.deepEqual(patched({ ...synced, taints: [harder] }), []);
});

test('the patch is bound to the version that was looked at', (t) => {
  const node = nodeObject();
  const view = nodeView({ ...node, metadata: { ...node.metadata, resourceVersion: '7' } });
  const patch = view === undefined ? undefined : taintPatch(view);
  t.deepEqual(patch?.type === 'merge' ? patch.body['metadata'] : undefined, { resourceVersion: '7' });
});

test('what an agent says is read back from its condition', (t) => {
  const detail = fc.string().filter((text) => text !== '');
  const generation = fc.record({
    number: fc.nat(),
    signedAt: fc.date({ min: new Date('2000-01-01'), max: new Date('2999-01-01'), noInvalidDate: true }),
  });
  const report = fc.record<TrustReport, 'synced' | 'reason' | 'bootId'>(
    {
      synced: fc.boolean(),
      reason: fc.constantFrom('Synced', 'LastKnownGood', 'UpdateRefused', 'NoGeneration'),
      bootId: fc.uuid(),
      generation,
      detail,
    },
    { requiredKeys: ['synced', 'reason', 'bootId'] },
  );
  fc.assert(fc.property(report, (said) => t.deepEqual(reportIn(conditionOf(said, new Date())), said)));
});

test('the time of transition moves only with the status', (t) => {
  const at = (iso: string) => new Date(iso);
  const said = { synced: true, reason: 'Synced', bootId: BOOT_1 } as const;
  const first = conditionOf(said, at('2026-01-01T00:00:00Z'));
  const second = conditionOf({ ...said, reason: 'LastKnownGood' }, at('2026-01-02T00:00:00Z'), first);
  const third = conditionOf({ ...said, synced: false }, at('2026-01-03T00:00:00Z'), second);
  t.is(second.lastTransitionTime, '2026-01-01T00:00:00Z');
  t.is(second.lastHeartbeatTime, '2026-01-02T00:00:00Z');
  t.is(third.lastTransitionTime, '2026-01-03T00:00:00Z');
});
