import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';

import { InstallerError } from '../../../appliance/installer/installer-error.ts';
import { KeyVault } from '../../../appliance/installer/key-vault.ts';
import { writeLogId } from '../../../appliance/installer/log-ids.ts';
import { isDone, planSteps } from '../../../appliance/installer/run-steps.ts';
import type { InstallWorld, Step } from '../../../appliance/installer/step.ts';
import { mariadb } from '../../../appliance/installer/steps/database.ts';
import { keys } from '../../../appliance/installer/steps/keys.ts';
import { namespaces } from '../../../appliance/installer/steps/namespaces.ts';
import { nodes } from '../../../appliance/installer/steps/nodes.ts';
import { ctlog, fulcio, tsa } from '../../../appliance/installer/steps/signing.ts';
import { repository, rootV1 } from '../../../appliance/installer/steps/tuf.ts';
import { KINDS } from '../../../appliance/kube/kube-object.ts';
import { dyingCluster, installerWorld, memoryCluster, memoryHelm, node } from '../../support/installer-world.ts';

/** The steps that need no service that answers. */
const STEPS: readonly Step[] = [namespaces, keys, repository, nodes, mariadb, ctlog, fulcio, tsa];

async function run(world: InstallWorld, steps: readonly Step[] = STEPS): Promise<void> {
  for (const step of steps) if (!(await step.look(world)).done) await step.act(world, () => undefined);
}

async function secretsOf(world: InstallWorld): Promise<string> {
  const secrets = await world.cluster.list(KINDS.secret);
  return JSON.stringify(secrets.map(({ metadata, data }) => [metadata.name, data]));
}

async function keyFiles(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort();
  return JSON.stringify(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')])),
  );
}

async function withLogs(world: InstallWorld): Promise<void> {
  await writeLogId(world.cluster, 'ctlog', '42');
  await writeLogId(world.cluster, 'rekor', '43');
}

test('on a bare cluster every step has something to do', async (t) => {
  const world = await installerWorld(t);
  const plan = await planSteps(world, STEPS);
  t.deepEqual(
    plan.filter(({ found }) => found.done).map(({ step }) => step.id),
    ['nodes'],
  );
});

test('a plan changes nothing', async (t) => {
  const world = await installerWorld(t);
  const before = world.memory.writes;
  await planSteps(world, STEPS);
  t.is(world.memory.writes, before);
});

test('after all steps the plan is empty, and another run writes nothing', async (t) => {
  const world = await installerWorld(t);
  await withLogs(world);
  await run(world);
  t.true(isDone(await planSteps(world, STEPS)));
  const before = world.memory.writes;
  for (const step of STEPS) await step.act(world, () => undefined);
  t.is(world.memory.writes, before);
});

test('killed after any of its writes, the next run goes on with the same keys', async (t) => {
  t.timeout(120_000);
  for (let writes = 1; ; writes += 5) {
    const memory = await memoryCluster();
    const helm = memoryHelm(memory);
    const first = await installerWorld(t, { memory, helm, wrap: (cluster) => dyingCluster(cluster, writes) });
    const setup = await installerWorld(t, { memory, helm, keyFolder: first.keyFolder });
    await withLogs(setup);
    const died = await run(first).then(
      () => false,
      () => true,
    );
    const secrets = new Map((await memory.list(KINDS.secret)).map(({ metadata, data }) => [metadata.name, data]));
    const files = new Map(JSON.parse(await keyFiles(first.keyFolder)) as [string, string][]);
    const second = await installerWorld(t, { memory, helm, keyFolder: first.keyFolder });
    await run(second);
    t.true(isDone(await planSteps(second, STEPS)), `after ${writes} writes`);
    for (const { metadata, data } of await memory.list(KINDS.secret)) {
      for (const [key, value] of Object.entries(secrets.get(metadata.name) ?? {}))
        t.is(data?.[key], value, metadata.name);
    }
    const after = new Map(JSON.parse(await keyFiles(first.keyFolder)) as [string, string][]);
    for (const [name, content] of files) t.is(after.get(name), content, name);
    if (!died) break;
  }
});

test('no private key of an offline role is in the cluster', async (t) => {
  const world = await installerWorld(t);
  await withLogs(world);
  await run(world);
  const inCluster = await secretsOf(world);
  for (const name of [
    'site-ca',
    'fulcio-root',
    'tsa-root',
    'tsa-intermediate',
    'tuf-root-1',
    'tuf-targets-1',
    'tuf-upstream-1',
  ]) {
    const key = await world.vault.open(name);
    t.false(
      inCluster.includes(key.export({ type: 'pkcs8', format: 'der' }).subarray(-40).toString('base64').slice(4, 40)),
      name,
    );
  }
});

test('a second installer with another passphrase makes no key beside the others', async (t) => {
  const world = await installerWorld(t);
  await run(world, [namespaces, keys]);
  const vault = new KeyVault({ folder: world.keyFolder, passphrase: () => Promise.resolve('another passphrase') });
  await t.throwsAsync(vault.unlock(), { code: 'PASSPHRASE_WRONG' });
});

test('a site whose key files are elsewhere is not given new ones', async (t) => {
  const world = await installerWorld(t);
  await run(world, [namespaces, keys]);
  await world.cluster.delete({ kind: KINDS.secret, namespace: 'sigstore-system', name: 'rekor-tls' });
  const elsewhere = await installerWorld(t, { memory: world.memory });
  await t.throwsAsync(run(elsewhere, [keys]), { instanceOf: InstallerError, code: 'KEYS_MISSING' });
});

test('root v1 is made once', async (t) => {
  const world = await installerWorld(t);
  await run(world, [namespaces, keys, repository]);
  const root = await rootV1(world);
  await repository.act(world, () => undefined);
  t.deepEqual(await rootV1(world), root);
});

test('a node without the first images is named, with the command that prepares it', async (t) => {
  const world = await installerWorld(t);
  await world.cluster.create(node('node-2', { images: [] }));
  const failed = nodes.act({ ...world, readyTimeoutMs: 50 }, () => undefined);
  const error = await t.throwsAsync(failed, { instanceOf: InstallerError, code: 'NODES_NOT_PREPARED' });
  t.regex(error.message, /node-2\n.*\n.*sealift node prepare --bundle \/media\/site\.sealift/);
  t.notRegex(error.message, /node-1/);
});

test('the CT log server is given the log, its key and Fulcio’s root', async (t) => {
  const world = await installerWorld(t);
  await withLogs(world);
  await run(world);
  const secret = await world.cluster.get({ kind: KINDS.secret, namespace: 'sigstore-system', name: 'ctlog-config' });
  const text = (key: string): string => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString();
  t.regex(text('config'), /log_id: 42\n/);
  t.regex(text('config'), new RegExp(`password: "${text('passphrase')}"`));
  t.regex(text('private'), /Proc-Type: 4,ENCRYPTED/);
  t.is(text('roots.pem').match(/BEGIN CERTIFICATE/g)?.length, 1);
});
