import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';

import { replaceSymlink } from '../../appliance/kernel/atomic-file.ts';
import { KubeError } from '../../appliance/kube/kube-error.ts';
import { KINDS } from '../../appliance/kube/kube-object.ts';
import { probe } from '../../daemonset/health.ts';
import { hostFiles } from '../../daemonset/host-files.ts';
import { ensurePinnedRoot } from '../../daemonset/pinned-root.ts';
import { restoreNode } from '../../daemonset/restore-node.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { repositoryWorld } from '../trust-root/world/repository-world.ts';
import { agentWorld, textOf } from './agent-world.ts';
import { BOOT_2 } from './node-world.ts';
import { signatureBlob } from './site-world.ts';

test('a node that is new says so before it has asked for anything', async (t) => {
  const world = await agentWorld(t);
  await world.newAgent().start();
  t.is(await world.said(), 'False NoGeneration 0');
  t.is(await world.detail(), '');
});

test('a node takes the whole state: generation, evidence, hosts.toml; and says for which boot', async (t) => {
  const world = await agentWorld(t);
  const digest = await world.pushSigned('v1');
  await world.publishState();
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'True Synced 2');
  t.is(await readlink(world.paths.current), 'generations/000000000002');
  t.is(await textOf(world.evidenceFile(signatureBlob('v1'))), 'signature of v1');
  t.regex(
    await textOf(path.join(world.certs, 'ghcr.io/hosts.toml')),
    /server = "https:\/\/10\.96\.0\.20\/v2\/ghcr\.io"/,
  );
  t.is(await textOf(path.join(world.paths.base, 'site-ca.pem')), 'the site CA\n');
  t.truthy(digest);
});

test('there is never a generation whose evidence is not here', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  await world.pushSigned('v1');
  await world.publishState();
  for (const tag of await world.app.tags()) {
    const digest = await world.app.digestOf(tag);
    if (digest !== undefined) await world.app.deleteManifest(digest);
  }
  await agent.step();
  t.is(await world.said(), 'True EvidenceMissing 1');
  t.regex(await world.detail(), /EVIDENCE_MISSING/);
  t.is(await readlink(world.paths.current), 'generations/000000000001');
});

test('a step that finds nothing new writes nothing', async (t) => {
  const world = await agentWorld(t);
  await world.pushSigned('v1');
  await world.publishState();
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  const { writes } = world.cluster;
  world.registry.requests.length = 0;
  await agent.step();
  world.tuf.clock.advance(61_000);
  await agent.step();
  t.is(world.cluster.writes, writes);
  t.deepEqual(world.registry.requests, []);
  t.is(await world.said(), 'True Synced 2');
});

test('a new state is taken at the next step', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'True Synced 1');
  await world.publishState();
  await world.pushSigned('v2');
  await world.publishState();
  await agent.step();
  t.is(await world.said(), 'True Synced 3');
});

test('a new root is followed even when the timestamp is the same', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  const before = world.tuf.store.snapshot();
  await world.tuf.rotate({ root: world.tuf.keys.root });
  const rooted = new Map([...before].concat([...world.tuf.store.snapshot()].filter(([name]) => /root/.test(name))));
  if (!rooted.has('2.root.json')) {
    t.fail('no new root was published');
    return;
  }
  world.link.repository = new MemoryRepositoryStore(rooted);
  await agent.step();
  t.regex((await readdir(path.join(world.paths.current, 'metadata'))).join(), /2\.root\.json/);
});

test('without the TUF server a restarted node goes on with what it has verified', async (t) => {
  const world = await agentWorld(t);
  const first = world.newAgent();
  await first.start();
  await first.step();
  world.link.repository = undefined;
  const agent = world.newAgent({ bootId: BOOT_2 });
  await agent.start();
  t.is(await world.said(), 'True LastKnownGood 1');
  const node = await world.cluster.get({ kind: KINDS.node, name: 'node-1' });
  t.true(JSON.stringify(node?.status).includes(`boot=${BOOT_2} generation=1 signedAt=`));
  await agent.step();
  t.is(await world.said(), 'True LastKnownGood 1');
  t.regex(await world.detail(), /the TUF server is away/);
});

test('an older repository, replayed, is refused and reported', async (t) => {
  const world = await agentWorld(t);
  const old = new MemoryRepositoryStore(world.tuf.store.snapshot());
  await world.pushSigned('v1');
  await world.publishState();
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  world.link.repository = old;
  await agent.step();
  t.is(await world.said(), 'True UpdateRefused 2');
  t.regex(await world.detail(), /VERSION_ROLLBACK/);
  const restarted = world.newAgent();
  await restarted.start();
  await restarted.step();
  t.is(await world.said(), 'True UpdateRefused 2');
});

test("another site's repository is refused and reported", async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  const other = await repositoryWorld();
  await other.siteState({ 'site-state/evidence-index.json': '{}' });
  world.link.repository = other.store;
  await agent.step();
  t.is(await world.said(), 'True UpdateRefused 1');
});

async function syncedTwice(t: Parameters<typeof agentWorld>[0]) {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  await world.pushSigned('v1');
  await world.publishState();
  await agent.step();
  world.link.repository = undefined;
  return world;
}

test('a foreign generation laid on the node is not used, and is reported', async (t) => {
  const world = await syncedTwice(t);
  const foreign = path.join(world.paths.generations, '000000000099');
  await cp(path.join(world.paths.generations, '000000000002'), foreign, { recursive: true });
  await writeFile(path.join(foreign, 'metadata', 'timestamp.json'), '{"signed":{"version":99},"signatures":[]}');
  await replaceSymlink(world.paths.current, 'generations/000000000099');
  await world.newAgent().start();
  t.is(await world.said(), 'True LastKnownGood 2');
  t.regex(await world.detail(), /[A-Z_]+: /);
  t.is(await readlink(world.paths.current), 'generations/000000000002');
});

test('a link led back to an older generation is led forward again', async (t) => {
  const world = await syncedTwice(t);
  await replaceSymlink(world.paths.current, 'generations/000000000001');
  await world.newAgent().start();
  t.is(await world.said(), 'True LastKnownGood 2');
  t.is(await readlink(world.paths.current), 'generations/000000000002');
});

test('a damaged target leaves a node without trust until the repository is reached: older trust is no way out', async (t) => {
  const world = await syncedTwice(t);
  const targets = path.join(world.paths.generations, '000000000002', 'targets');
  for (const name of await readdir(targets)) await writeFile(path.join(targets, name), 'damaged');
  const agent = world.newAgent();
  await agent.start();
  t.is(await world.said(), 'False NoGeneration 0');
  world.link.repository = world.tuf.store;
  await agent.step();
  t.is(await world.said(), 'True Synced 2');
  t.regex(await world.detail(), /refused on disk/);
  world.tuf.clock.advance(700_000);
  await agent.step();
  t.is(await world.detail(), '');
});

test('while it runs, an agent notices that the link was led elsewhere', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  await mkdir(path.join(world.base, 'evil'));
  await rm(world.paths.current);
  await symlink(path.join(world.base, 'evil'), world.paths.current);
  await agent.step();
  t.is(await world.said(), 'True Synced 1');
  t.regex(await readlink(world.paths.current), /^generations\/000000000001/);
});

test('evidence that was damaged on the disk is fetched again when the agent starts', async (t) => {
  const world = await syncedTwice(t);
  await writeFile(world.evidenceFile(signatureBlob('v1')), 'SIGNATURE OF V1');
  world.link.repository = world.tuf.store;
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await textOf(world.evidenceFile(signatureBlob('v1'))), 'signature of v1');
});

test('evidence that no kept generation names is removed', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  const digest = await world.pushSigned('old');
  await world.publishState();
  await agent.step();
  await world.app.deleteManifest(digest);
  for (const tag of ['a', 'b', 'c', 'd']) {
    await world.pushSigned(tag);
    await world.publishState();
    await agent.step();
  }
  t.is(await textOf(world.evidenceFile(signatureBlob('old'))), '');
  t.is(await textOf(world.evidenceFile(signatureBlob('d'))), 'signature of d');
});

test('expired trust is no trust', async (t) => {
  const world = await syncedTwice(t);
  world.tuf.clock.advance(8 * 86_400_000);
  await world.newAgent().start();
  t.is(await world.said(), 'False NoGeneration 0');
  t.regex(await world.detail(), /ROLE_EXPIRED/);
});

test('a clock set back is refused', async (t) => {
  const world = await syncedTwice(t);
  world.tuf.clock.advance(-86_400_000);
  await world.newAgent().start();
  t.is(await world.said(), 'False NoGeneration 0');
  t.regex(await world.detail(), /CLOCK_BEFORE_FLOOR/);
});

test('a node that was given another root keeps its own', async (t) => {
  const world = await agentWorld(t);
  await mkdir(world.paths.base, { recursive: true });
  await writeFile(world.paths.pinnedRoot, (await repositoryWorld()).root);
  const other = await readFile(world.paths.pinnedRoot);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'False NoGeneration 0');
  t.regex(await world.detail(), /this node's root has sha256/);
  t.deepEqual(await readFile(world.paths.pinnedRoot), other);
});

test('hosts.toml that can not be written is told, and the node is not called synced', async (t) => {
  const world = await agentWorld(t);
  await symlink('/nowhere', path.join(world.certs, 'docker.io'));
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'False HostsFailed 1');
  t.regex(await world.detail(), /docker\.io/);
});

test('what the API server could not be told is told later', async (t) => {
  const world = await agentWorld(t);
  const patch = world.cluster.patch.bind(world.cluster);
  world.cluster.patch = async () => await Promise.reject(new KubeError('UNREACHABLE', 'no route'));
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(agent.status?.isTold, false);
  world.cluster.patch = patch;
  await agent.step();
  t.is(await world.said(), 'True Synced 1');
});

test('a condition that someone else changed is put right', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  const node = await world.cluster.get({ kind: KINDS.node, name: 'node-1' });
  const { conditions } = node?.status as { conditions: { type: string }[] };
  const others = conditions.filter(({ type }) => type !== 'TrustSynced');
  await world.cluster.patch(
    { kind: KINDS.node, name: 'node-1' },
    { type: 'merge', body: { status: { conditions: others } } },
  );
  t.is(await world.said(), 'False nothing 0');
  world.tuf.clock.advance(30_000);
  await agent.step();
  t.is(await world.said(), 'True Synced 1');
});

test("kubelet's own conditions stay", async (t) => {
  const world = await agentWorld(t);
  await world.newAgent().start();
  const node = await world.cluster.get({ kind: KINDS.node, name: 'node-1' });
  const { conditions } = node?.status as { conditions: { type: string; status: string }[] };
  t.deepEqual(conditions.map(({ type }) => type).sort(), ['Ready', 'TrustSynced']);
});

test('probes tell whether trust is synced, and whether the agent is stuck', async (t) => {
  const world = await agentWorld(t);
  const agent = world.newAgent();
  const health = { status: () => agent.status, clock: world.tuf.clock };
  t.is(probe(health, '/readyz').status, 503);
  t.is(probe(health, '/healthz').status, 200);
  await agent.start();
  t.is(probe(health, '/readyz').status, 503);
  await agent.step();
  t.is(probe(health, '/readyz').status, 200);
  t.regex(probe(health, '/metrics').body, /^sealift_agent_generation 1$/m);
  world.tuf.clock.advance(600_000);
  t.is(probe(health, '/healthz').status, 500);
  t.is(probe(health, '/x').status, 404);
  t.truthy(await readFile(world.paths.floor));
});

test('a node that is put back has its own hosts.toml again, and no condition of ours', async (t) => {
  const world = await agentWorld(t);
  await mkdir(path.join(world.certs, 'docker.io'));
  await writeFile(path.join(world.certs, 'docker.io/hosts.toml'), 'original');
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  const folders = { certs: hostFiles(world.certs), state: hostFiles(world.paths.base) };
  t.deepEqual(await restoreNode({ cluster: world.cluster, name: 'node-1', folders }), []);
  t.is(await world.said(), 'False nothing 0');
  t.deepEqual(await readdir(world.certs), ['docker.io']);
  t.is(await textOf(path.join(world.certs, 'docker.io/hosts.toml')), 'original');
  t.true((await readdir(world.paths.generations)).length > 0);
});

test('a new node without its root waits for it, and takes no other', async (t) => {
  const world = await agentWorld(t);
  const other = (await repositoryWorld()).root;
  const sha256 = createHash('sha256').update(world.tuf.root).digest('hex');
  const unreachable = async (): Promise<Buffer> => await Promise.reject(new Error('the TUF server is away'));
  const given = ensurePinnedRoot(world.paths, { sha256, candidates: [unreachable, async () => other] });
  await t.throwsAsync(given, { code: 'PINNED_ROOT_WRONG', message: /the TUF server is away/ });
  await ensurePinnedRoot(world.paths, { sha256, candidates: [unreachable, async () => world.tuf.root] });
  t.deepEqual(await readFile(world.paths.pinnedRoot), world.tuf.root);
});
