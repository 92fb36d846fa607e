import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { ensureBinaries } from '../../../scripts/lab/build-binaries.ts';
import { prepareBuilder, runCosignPod, signingCommands } from './builder.ts';
import { cosign, developer } from './developer.ts';
import { BUILDER, BUILDER_IDENTITY, SITE_REGISTRY } from './policies.ts';
import type { Proof } from './proofs.ts';
import { ensurePythonSigstore } from './python-sigstore.ts';
import { signatureBundle } from './signature-bundle.ts';
import { PROJECT } from './site.ts';
import { pushSiteImage, siteImage } from './site-images.ts';
import { application, type World } from './world.ts';

/** Words by which real cosign is told whose signature counts. */
export const BY_BUILDER = [
  `--certificate-identity=${BUILDER_IDENTITY.subject}`,
  `--certificate-oidc-issuer=${BUILDER_IDENTITY.issuer}`,
];

/** cosign as the bundle brought it, by its original name. */
export function cosignImage({ connected }: World): string {
  const found = connected.images.find(({ reference }) => reference.startsWith('ghcr.io/sigstore/cosign/cosign:'));
  return found?.reference ?? '';
}

/** Images that are made, signed and verified on the site, by clients that nobody here wrote. */
export const signingProofs: readonly Proof[] = [
  {
    id: '3-gate',
    title: 'nobody on the site can put an image under an upstream name into its registry, or take one away',
    needs: ['2-install'],
    prove: async (t, world) => {
      const who = await developer(world, 'packager');
      const from = `${SITE_REGISTRY}/docker.io/library/busybox:1.35`;
      const program = (await ensureBinaries(['crane'])).get('crane') ?? 'crane';
      for (const name of ['ghcr.io/acme/app:v1', 'registry.k8s.io/kube-proxy:v1.34.4']) {
        const pushed = await who.run([program, 'copy', from, `${SITE_REGISTRY}/${name}`], { allow: 'any' });
        t.not(pushed.code, 0, name);
        t.regex(pushed.stderr, /DENIED/, name);
      }
      const app = `${SITE_REGISTRY}/ghcr.io/acme/app`;
      const digest = (await who.run([program, 'digest', `${app}:v1`])).stdout.trim();
      t.is(digest, application(world, 'app').digest);
      t.not((await who.run([program, 'delete', `${app}@${digest}`], { allow: 'any' })).code, 0);
      t.is((await who.run([program, 'digest', `${app}:v1`])).stdout.trim(), digest);
    },
  },
  {
    id: '3-sign',
    title: 'a pod with a projected token signs and attests an image in the site’s registry with real cosign',
    needs: ['2-install'],
    prove: async (t, world) => {
      for (const name of ['app', 'unsigned', 'foreign']) await pushSiteImage(world, name);
      await prepareBuilder(world, await developer(world, 'verifier'));
      const pod = { image: cosignImage(world), serviceAccount: BUILDER.serviceAccount };
      // First, because sigstore-python can't read a log's entry 0: JSON of protocol buffers leaves the index out.
      const foreign = signingCommands(siteImage(world, 'foreign'));
      await runCosignPod(world, { ...pod, serviceAccount: 'stranger', name: 'sign-foreign', commands: foreign });
      await runCosignPod(world, { ...pod, name: 'sign', commands: signingCommands(siteImage(world, 'app')) });
      t.regex(world.made.get('app') ?? '', /^sha256:[0-9a-f]{64}$/);
    },
  },
  {
    id: '3-cosign',
    title: 'cosign, initialized from the site’s TUF repository, verifies signature and attestation',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const image = siteImage(world, 'app');
      const attestation = ['verify-attestation', '--type=slsaprovenance1', ...BY_BUILDER, image];
      const commands = [['verify', ...BY_BUILDER, image], attestation];
      await runCosignPod(world, { name: 'verify', serviceAccount: 'default', image: cosignImage(world), commands });
      const who = await developer(world, 'verifier');
      await cosign(who, ['initialize', `--mirror=${who.tufUrl}`, `--root=${who.root}`]);
      await cosign(who, ['verify', ...BY_BUILDER, image]);
      await cosign(who, attestation);
      const foreign = await cosign(who, ['verify', ...BY_BUILDER, siteImage(world, 'foreign')], { allow: 'any' });
      t.not(foreign.code, 0);
      const unsigned = await cosign(who, ['verify', ...BY_BUILDER, siteImage(world, 'unsigned')], { allow: 'any' });
      t.not(unsigned.code, 0);
    },
  },
  {
    id: '3-js',
    title: 'sigstore-js verifies the signature, with trust from the site’s TUF repository',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const who = await developer(world, 'js');
      const file = path.join(who.home, 'bundle.json');
      await writeFile(file, await signatureBundle(who, siteImage(world, 'app')));
      const script = path.join(PROJECT, 'test/e2e/support/clients/sigstore-js.ts');
      const node = path.join(PROJECT, 'node_modules/node/bin/node');
      const words = [node, script, file, who.tufUrl, who.root, path.join(who.home, 'tuf')];
      const identity = [BUILDER_IDENTITY.subject, BUILDER_IDENTITY.issuer];
      t.regex((await who.run([...words, ...identity])).stdout, /^verified/);
      const stranger = [BUILDER_IDENTITY.subject.replace('builder', 'stranger'), BUILDER_IDENTITY.issuer];
      t.not((await who.run([...words, ...stranger], { allow: 'any' })).code, 0);
    },
  },
  {
    id: '3-python',
    title: 'sigstore-python verifies the signature, with trust from the site’s TUF repository',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const who = await developer(world, 'python');
      const programs = await ensurePythonSigstore();
      const file = path.join(who.home, 'bundle.sigstore.json');
      await writeFile(file, await signatureBundle(who, siteImage(world, 'app')));
      await who.run([path.join(programs, 'sigstore'), '--instance', who.tufUrl, 'trust-instance', who.root]);
      const script = path.join(PROJECT, 'test/e2e/support/clients/sigstore_python.py');
      const words = [path.join(programs, 'python'), script, file, who.tufUrl];
      const digest = (world.made.get('app') ?? '').replace('sha256:', '');
      const good = await who.run([...words, BUILDER_IDENTITY.subject, BUILDER_IDENTITY.issuer, digest]);
      t.is(good.stdout.trim(), `verified ${digest}`);
      const stranger = [...words, `${BUILDER_IDENTITY.subject}x`, BUILDER_IDENTITY.issuer, digest];
      t.not((await who.run(stranger, { allow: 'any' })).code, 0);
    },
  },
];
