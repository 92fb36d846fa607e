import test from 'ava';

import { stalenessTarget, targetsChange } from '../../../appliance/installer/repository-targets.ts';
import { parseStalenessRules } from '../../../appliance/verification/staleness-rules.ts';
import { publishTargets } from '../../../trust-root/publish.ts';
import { loadRepository } from '../../../trust-root/repository-state.ts';
import { type TargetContent, targetContent } from '../../../trust-root/target-content.ts';
import { repositoryWorld } from '../../trust-root/world/repository-world.ts';

const RULES = { 'sigstore.dev': { maxAgeDays: 180, onStale: 'warn' as const } };

function targets(texts: Readonly<Record<string, string>>): Map<string, TargetContent> {
  return new Map(Object.entries(texts).map(([name, text]) => [name, targetContent(text)]));
}

/** The names that would be set and taken away to get from `published` to `wanted`. */
async function change(published: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>) {
  const { store } = await repositoryWorld({ targets: published });
  const found = targetsChange(await loadRepository(store), targets(wanted));
  return found && { set: [...(found.set?.keys() ?? [])], remove: [...(found.remove ?? [])] };
}

test('equal targets are no change', async (t) => {
  t.is(await change({ 'policies.json': '1' }, { 'policies.json': '1' }), undefined);
});

test('new and changed targets are set', async (t) => {
  const wanted = { 'policies.json': '2', 'staleness.json': '1' };
  t.deepEqual(await change({ 'policies.json': '1' }, wanted), {
    set: ['policies.json', 'staleness.json'],
    remove: [],
  });
});

test('anchors that the controller has published stay', async (t) => {
  t.is(await change({ 'anchors.json': 'newer' }, { 'anchors.json': 'older' }), undefined);
  t.deepEqual(await change({}, { 'anchors.json': 'first' }), { set: ['anchors.json'], remove: [] });
});

test('rules on ages that are no longer configured are taken away, other targets are not', async (t) => {
  const published = { 'staleness.json': '1', 'another.json': '1' };
  t.deepEqual(await change(published, {}), { set: [], remove: ['staleness.json'] });
});

test('a change leads to what is wanted', async (t) => {
  const { store, context, keys } = await repositoryWorld({ targets: { 'staleness.json': '1', 'policies.json': '1' } });
  const wanted = targets({ 'policies.json': '2' });
  const before = await loadRepository(store);
  const found = targetsChange(before, wanted) ?? {};
  await publishTargets(context, before, { change: found, signers: keys.targets.signers });
  t.is(targetsChange(await loadRepository(store), wanted), undefined);
});

test('without rules in the configuration there is no target', (t) => {
  t.deepEqual(stalenessTarget({ trust: { staleness: {} } }), []);
});

test('the rules of the configuration are published as the webhook reads them', (t) => {
  const [[name, content] = []] = stalenessTarget({ trust: { staleness: RULES } });
  t.is(name, 'staleness.json');
  t.deepEqual(parseStalenessRules(content?.bytes ?? Buffer.alloc(0)), RULES);
});
