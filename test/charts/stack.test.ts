import ava, { type ExecutionContext } from 'ava';

import { builtHelm, type RenderedObject, renderChart } from '../support/helm-template.ts';

const helm = builtHelm() ?? '';
// Helm is built with the lab; on a machine without one these are reported as skipped.
const test = helm === '' ? ava.skip : ava;
const ROOT = `rootSha256=${'a'.repeat(64)}`;
const VALUES: Readonly<Record<string, readonly string[]>> = {
  rekor: ['treeId=42'],
  'node-agent': [ROOT],
  webhook: [ROOT],
};
const STACK = ['mariadb', 'trillian', 'ctlog', 'fulcio', 'rekor', 'tsa', 'tuf', 'registry'] as const;
const CHARTS = [...STACK, 'node-agent', 'webhook'] as const;
/** The folders of its node that a chart may have; what is not named may have none. */
const HOST_PATHS: Readonly<Record<string, readonly string[]>> = {
  'node-agent': ['/var/lib/sealift', '/etc/containerd/certs.d', '/proc/sys/kernel/random/boot_id'],
  webhook: ['/var/lib/sealift'],
};

interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly automountServiceAccountToken?: boolean;
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly securityContext?: { readonly runAsNonRoot?: boolean };
  readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
}

async function rendered(t: ExecutionContext, chart: string, sets = VALUES[chart] ?? []): Promise<RenderedObject[]> {
  const objects = await renderChart(helm, chart, sets);
  t.true(objects.length > 0);
  return objects;
}

function podSpecs(objects: readonly RenderedObject[]): PodSpec[] {
  return objects.flatMap(({ kind, spec }) => {
    if (kind === 'CronJob') {
      const job = spec?.['jobTemplate'] as { spec: { template: { spec: PodSpec } } };
      return [job.spec.template.spec];
    }
    const template = spec?.['template'] as { spec: PodSpec } | undefined;
    return template === undefined ? [] : [template.spec];
  });
}

function containers(objects: readonly RenderedObject[]): Container[] {
  return podSpecs(objects).flatMap((pod) => [...(pod.initContainers ?? []), ...pod.containers]);
}

function argsOf(objects: readonly RenderedObject[], name: string): readonly string[] {
  return containers(objects).find((container) => container.name === name)?.args ?? [];
}

for (const chart of CHARTS) {
  test(`${chart}: every container keeps its image's entrypoint`, async (t) => {
    for (const container of containers(await rendered(t, chart))) t.is(container.command, undefined, container.name);
  });

  test(`${chart}: makes no Secret and runs no Job`, async (t) => {
    for (const { kind } of await rendered(t, chart)) t.notRegex(kind, /^(Secret|Job)$/);
  });

  test(`${chart}: runs without root, on a file system that it can't write`, async (t) => {
    const objects = await rendered(t, chart);
    // The agent writes to folders of the host that belong to root.
    const pods = podSpecs(objects).filter(({ containers: [first] }) => first?.name !== 'agent');
    for (const pod of pods) t.true(pod.securityContext?.runAsNonRoot);
    for (const { name, securityContext } of containers(objects)) {
      t.false(securityContext?.allowPrivilegeEscalation, name);
      t.true(securityContext?.readOnlyRootFilesystem, name);
    }
  });

  test(`${chart}: has no capability and nothing of its node but the folders that it is for`, async (t) => {
    const objects = await rendered(t, chart);
    const allowed = HOST_PATHS[chart] ?? [];
    for (const pod of podSpecs(objects)) {
      t.deepEqual([pod.hostNetwork, pod.hostPID, pod.hostIPC], [undefined, undefined, undefined]);
      const paths = (pod.volumes ?? []).map(({ hostPath }) => hostPath?.path).filter((path) => path !== undefined);
      t.deepEqual(
        paths.filter((path) => !allowed.includes(path)),
        [],
      );
    }
    for (const { name, securityContext = {} } of containers(objects)) {
      t.deepEqual(securityContext.capabilities, { drop: ['ALL'] }, name);
      t.not(securityContext.privileged, true, name);
    }
  });

  test(`${chart}: no password is among the arguments`, async (t) => {
    for (const { args = [] } of containers(await rendered(t, chart))) {
      t.notRegex(args.join(' '), /passw(or)?d|dsn|mysql_uri/i);
    }
  });
}

test('trap: Rekor without a tree id would make a new log at each start, so the chart refuses', async (t) => {
  const error = await t.throwsAsync(renderChart(helm, 'rekor', []));
  t.regex(error.message, /treeId: the id of Trillian's tree/);
});

test("trap: Rekor's checkpoints carry the service's name, not the pod's", async (t) => {
  const args = argsOf(await rendered(t, 'rekor'), 'rekor');
  t.true(args.includes('--rekor_server.hostname=rekor.sigstore-system.svc.cluster.local'));
});

test("trap: Rekor's default signer forgets its key, so the key is a file", async (t) => {
  const args = argsOf(await rendered(t, 'rekor'), 'rekor');
  t.true(args.includes('--rekor_server.signer=/signer/private.pem'));
});

test("trap: the timestamp authority's monitor would ask public time servers", async (t) => {
  const args = argsOf(await rendered(t, 'tsa'), 'tsa');
  t.true(args.includes('--disable-ntp-monitoring'));
});

test('trap: with --log_rpc_server the CT log would read its configuration as another message', async (t) => {
  const args = argsOf(await rendered(t, 'ctlog'), 'ctlog');
  t.false(args.some((arg) => arg.startsWith('--log_rpc_server')));
});

test('trap: reverse look-ups of pod addresses take MariaDB ten seconds each', async (t) => {
  const args = argsOf(await rendered(t, 'mariadb'), 'mariadb');
  t.true(args.includes('--skip-name-resolve'));
});

test("trap: Fulcio with a cluster token asks only the API server's own address, so it has none", async (t) => {
  const objects = await rendered(t, 'fulcio');
  for (const pod of podSpecs(objects)) {
    t.false(pod.automountServiceAccountToken);
    const mounts = pod.containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ mountPath }) => mountPath));
    t.false(mounts.includes('/var/run/secrets/kubernetes.io/serviceaccount'));
    t.deepEqual(pod.hostAliases, [{ ip: '127.0.0.1', hostnames: ['kubernetes.default.svc.cluster.local'] }]);
  }
});

test("trap: Fulcio does not see a Secret's swap, so it does not pretend to watch", async (t) => {
  const args = argsOf(await rendered(t, 'fulcio'), 'fulcio');
  t.true(args.includes('--fileca-watch=false'));
});

test('trap: an issuer on another port than 443 is out of reach of the relay, so the chart refuses', async (t) => {
  const error = await t.throwsAsync(renderChart(helm, 'fulcio', ['issuer.url=https://issuer.example:6443']));
  t.regex(error.message, /the relay answers on port 443 only/);
});

test("trap: Trillian's HTTP endpoint speaks TLS once it has a certificate", async (t) => {
  const objects = await rendered(t, 'trillian');
  const probes = JSON.stringify(
    objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'trillian-log-server'),
  );
  t.regex(probes, /readinessProbe.*"HTTPS"/);
});

test('the databases outlive an uninstall', async (t) => {
  for (const chart of ['mariadb', 'registry']) {
    for (const { kind, spec } of await rendered(t, chart)) {
      if (kind !== 'StatefulSet') continue;
      t.deepEqual(spec?.['persistentVolumeClaimRetentionPolicy'], { whenDeleted: 'Retain', whenScaled: 'Retain' });
    }
  }
});
