import { readFile } from 'node:fs/promises';

import { waitUntil } from '../../../scripts/lab/wait.ts';
import { type Developer, podEnd } from './developer.ts';
import { apply, ensureNamespace, remove } from './objects.ts';
import { BUILDER } from './policies.ts';
import type { World } from './world.ts';

const TUF_URL = 'https://tuf.sigstore-system.svc.cluster.local';
const { namespace } = BUILDER;

/** A predicate as a build service writes it (slsa.dev/provenance/v1). */
export const PROVENANCE = {
  buildDefinition: {
    buildType: 'https://site.example/build/v1',
    externalParameters: { source: 'https://git.site.example/team/app' },
    internalParameters: {},
    resolvedDependencies: [],
  },
  runDetails: { builder: { id: 'https://site.example/builder' }, metadata: { invocationId: '1' } },
};

/** What pods that run cosign need: their namespace, their accounts, the site's CA and root v1. */
export async function prepareBuilder({ lab }: World, who: Developer): Promise<void> {
  await ensureNamespace(lab, namespace);
  const account = (name: string) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } });
  const data = {
    'ca.crt': await readFile(who.siteCa, 'utf8'),
    'root.json': await readFile(who.root, 'utf8'),
    'provenance.json': JSON.stringify(PROVENANCE),
  };
  const client = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'sigstore-client', namespace }, data };
  await apply(lab, account(BUILDER.serviceAccount), account('stranger'), client);
}

/** A pod that runs cosign, one command after the other. */
export interface CosignPod {
  readonly name: string;
  readonly serviceAccount: string;
  readonly image: string;
  readonly commands: readonly (readonly string[])[];
}

/** Words that come before each command: real cosign trusts the site by its TUF repository. */
const INITIALIZE = ['initialize', `--mirror=${TUF_URL}`, '--root=/client/root.json'];

function cosignPod({ name, serviceAccount, image, commands }: CosignPod): object {
  const container = (args: readonly string[], index: number) => ({
    name: `step-${index}`,
    image,
    args,
    env: [
      { name: 'HOME', value: '/work' },
      { name: 'SSL_CERT_FILE', value: '/client/ca.crt' },
    ],
    volumeMounts: [
      { name: 'work', mountPath: '/work' },
      { name: 'client', mountPath: '/client', readOnly: true },
      { name: 'token', mountPath: '/var/run/sigstore', readOnly: true },
    ],
  });
  const steps = [INITIALIZE, ...commands].map(container);
  const token = { serviceAccountToken: { audience: 'sigstore', expirationSeconds: 600, path: 'token' } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      serviceAccountName: serviceAccount,
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      securityContext: { fsGroup: 65532 },
      initContainers: steps.slice(0, -1),
      containers: steps.slice(-1),
      volumes: [
        { name: 'work', emptyDir: {} },
        { name: 'client', configMap: { name: 'sigstore-client' } },
        { name: 'token', projected: { sources: [token] } },
      ],
    },
  };
}

/** Runs cosign in a pod with a projected token. @throws with the pod's words when a command fails. */
export async function runCosignPod(world: World, pod: CosignPod): Promise<string> {
  await remove(world.lab, namespace, 'pod', pod.name);
  await apply(world.lab, cosignPod(pod));
  let end = { phase: '', log: '' };
  await waitUntil(`pod ${pod.name} to end`, {
    timeoutMs: 150_000,
    probe: async () => {
      end = await podEnd(world, namespace, pod.name);
      return end.phase === 'Succeeded' || end.phase === 'Failed';
    },
  });
  if (end.phase !== 'Succeeded') throw new Error(`pod ${pod.name} ${end.phase}:\n${end.log}`);
  return end.log;
}

/** The commands that sign an image and attest its provenance with the pod's own token. */
export function signingCommands(image: string): string[][] {
  const token = '--identity-token=/var/run/sigstore/token';
  return [
    ['sign', '--yes', token, image],
    ['attest', '--yes', token, '--type=slsaprovenance1', '--predicate=/client/provenance.json', image],
  ];
}
