import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

import { kubectl } from '../../../scripts/lab/lab.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { cosign, developer } from './developer.ts';
import { install } from './install-proofs.ts';
import { TAINT } from './node-trust.ts';
import { create, field, rolledOut } from './objects.ts';
import type { Proof } from './proofs.ts';
import { BY_BUILDER } from './signing-proofs.ts';
import { sealift } from './site.ts';
import { ENFORCED, releaseFingerprint } from './site-files.ts';
import { siteImage } from './site-images.ts';
import { keysOf } from './site-keys.ts';
import { refusedImages } from './verdict-cases.ts';
import { workload } from './workloads.ts';
import type { World } from './world.ts';

/** What of Sealift still stands in the API server's or the nodes' way. */
async function leftovers({ lab }: World): Promise<string[]> {
  const kinds = 'validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies';
  const registered = await kubectl(lab, ['get', kinds, '-o', 'name']);
  const workloads = ['get', 'pods', '-o', 'name', '-n'];
  const pods = await Promise.all(
    ['sigstore-system', 'sealift-system'].map(
      async (namespace) => (await kubectl(lab, [...workloads, namespace])).stdout,
    ),
  );
  const taints = await field(lab, ['nodes'], '{.items[*].spec.taints[*].key}');
  const conditions = await field(lab, ['nodes'], '{.items[*].status.conditions[*].type}');
  const lines = [registered.stdout, ...pods]
    .join('\n')
    .split('\n')
    .filter((line) => line.includes('/'));
  return [
    ...lines.filter((line) => line.includes('sealift') || line.startsWith('pod/')),
    ...(taints.includes(TAINT) ? [TAINT] : []),
    ...(conditions.includes('TrustSynced') ? ['condition TrustSynced'] : []),
  ];
}

/** The folders of hosts.toml files on each node. */
async function mirrorHosts({ lab }: World): Promise<string[]> {
  const found = await Promise.all(
    lab.nodes.map(async ({ containerdConfigDir }) => {
      const folder = path.join(containerdConfigDir, 'certs.d');
      return (await stat(folder).catch(() => undefined)) === undefined ? [] : await readdir(folder);
    }),
  );
  return found.flat();
}

/** The site goes and comes again. */
export const reinstallProofs: readonly Proof[] = [
  {
    id: '9-status',
    title: 'sealift status tells how the site stands, and sealift enforce closes a namespace',
    needs: ['3-sign', '4-warn'],
    prove: async (t, world) => {
      const { lab } = world;
      const { stdout } = await sealift(lab, ['status', '--kubeconfig', world.lab.kubeconfig]);
      for (const word of ['rekor', 'fulcio', 'webhook', 'node-1', 'node-2']) t.true(stdout.includes(word), word);
      const words = ['enforce', 'lenient', '--kubeconfig', world.lab.kubeconfig];
      const held = await sealift(lab, words, { allow: 'any' });
      t.is(held.code, 4, 'a pod that runs there would be refused');
      t.regex(held.stderr, /would be refused: .*unsigned/);
      await sealift(lab, [...words, '--yes']);
      const object = workload('Pod', { name: 'refused', namespace: 'lenient', image: 'ghcr.io/acme/unsigned:v1' });
      const answer = await create(lab, object, '--dry-run=server');
      t.false(answer.accepted);
      t.regex(answer.words, /NO_SIGNATURE/);
    },
  },
  {
    id: '9-uninstall',
    title: 'uninstall takes the site out of the cluster’s way and keeps log, keys and trust',
    needs: ['2-install', '3-sign'],
    prove: async (t, world) => {
      const keys = await keysOf(world);
      const trust = ['--trust-key', await releaseFingerprint(world.files)];
      const started = Date.now();
      const words = [
        'uninstall',
        '--bundle',
        world.files.bundle,
        ...trust,
        '--kubeconfig',
        world.lab.kubeconfig,
        '--yes',
      ];
      const { stdout } = await sealift(world.lab, words);
      world.measured.set('uninstall', `${((Date.now() - started) / 1000).toFixed(1)} s`);
      t.log(stdout);
      await waitUntil('the last pods to end', {
        timeoutMs: 60_000,
        probe: async () => !(await leftovers(world)).some((line) => line.startsWith('pod/')),
      });
      t.deepEqual(await leftovers(world), []);
      t.deepEqual(await mirrorHosts(world), []);
      const kept = await keysOf(world);
      for (const name of [
        'rekor-signer/private.pem',
        'fulcio-ca/private.pem',
        'ctlog-config/private',
        'tsa-signer/private.pem',
      ]) {
        const key = `sigstore-system/${name}`;
        t.truthy(kept.get(key), key);
        t.is(kept.get(key), keys.get(key), key);
      }
      const object = workload('Pod', { name: 'free', namespace: ENFORCED, image: 'docker.io/library/busybox:lab' });
      t.true((await create(world.lab, object, '--dry-run=server')).accepted, 'nothing is held up any more');
    },
  },
  {
    id: '9-again',
    title: 'an installation after it has the same keys and logs, and signatures from before still verify',
    needs: ['9-uninstall'],
    timeoutMs: 720_000,
    prove: async (t, world) => {
      const { lab } = world;
      const keys = await keysOf(world);
      const { ms } = await install(world);
      world.measured.set('install after uninstall', `${(ms / 1000).toFixed(1)} s`);
      const after = await keysOf(world);
      for (const [name, hash] of keys) t.is(after.get(name), hash, name);
      await rolledOut(lab, 'sealift-system', 'deployment/webhook');
      const image = siteImage(world, 'app');
      const who = await developer(world, 'verifier');
      await cosign(who, ['verify', ...BY_BUILDER, image]);
      const newcomer = await developer(world, 'newcomer');
      await cosign(newcomer, ['initialize', `--mirror=${newcomer.tufUrl}`, `--root=${newcomer.root}`]);
      await cosign(newcomer, ['verify', ...BY_BUILDER, image]);
      const admitted = await create(
        lab,
        workload('Pod', { name: 'old', namespace: ENFORCED, image }),
        '--dry-run=server',
      );
      t.true(admitted.accepted, admitted.words);
      for (const { image: bad, reason } of refusedImages(world)) {
        const refused = await create(lab, workload('Pod', { name: 'bad', namespace: ENFORCED, image: bad }));
        t.false(refused.accepted, bad);
        t.regex(refused.words, reason);
      }
    },
  },
];
