import test from 'ava';
import { parseBundleConfig } from '../../../../appliance/bundle/bundle-config.ts';
import { parsePolicy } from '../../../../appliance/verification/policy.ts';
import type { ConnectedFacts } from '../../../../scripts/lab/connected/connected-facts.ts';
import { applicationPolicy, bundleConfig } from '../../../../scripts/lab/connected/lab-bundle.ts';
import { ISSUERS } from '../../../../scripts/lab/connected/upstream.ts';

const FACTS: ConnectedFacts = {
  netns: '/run/netns/lab-connected',
  dir: '/lab/connected',
  registry: '127.0.0.1:5000',
  mirrors: { 'ghcr.io': 'http://127.0.0.1:5000/ghcr.io' },
  tuf: { url: 'http://127.0.0.1:8000', root: '/lab/connected/tuf/1.root.json' },
  trustDomain: 'sigstore.example',
  services: { fulcio: '', rekor: '', rekorV2: '', rekorTiles: '', tsa: '', ctlog: '' },
  issuers: ISSUERS,
  client: { trustedRoot: '', signingConfigV1: '', signingConfigV2: '' },
  images: [],
  applications: [
    { reference: 'ghcr.io/acme/app:v1', digest: `sha256:${'0'.repeat(64)}`, evidence: 'signed', attestations: [] },
  ],
};

test("the lab's bundle.yaml is one that sealift takes", (t) => {
  const config = parseBundleConfig(bundleConfig(FACTS, { helm: '/bin/helm' }), 'the lab');
  t.deepEqual(config.images, ['ghcr.io/acme/app:v1']);
});

test("the lab's policy is one that sealift takes", (t) => {
  t.notThrows(() => parsePolicy(applicationPolicy(FACTS)));
});
