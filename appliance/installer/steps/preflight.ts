import type { AccessQuestion } from '../../kube/cluster.ts';
import { describeRef, KINDS, type KubeObject, refOf } from '../../kube/kube-object.ts';
import { waitReady } from '../../kube/wait-ready.ts';
import { InstallerError } from '../installer-error.ts';
import { type CheckResult, preflightChecks } from '../preflight-checks.ts';
import { MANAGED } from '../secrets.ts';
import { SEALIFT, STACK } from '../site-names.ts';
import type { InstallWorld, Tell } from '../step.ts';

/** What the installer does, one question for each kind of right. */
export const NEEDED_RIGHTS: readonly AccessQuestion[] = [
  { verb: 'create', group: '', resource: 'namespaces' },
  { verb: 'list', group: '', resource: 'nodes' },
  { verb: 'patch', group: '', resource: 'nodes' },
  { verb: 'create', group: '', resource: 'secrets', namespace: STACK },
  { verb: 'create', group: '', resource: 'configmaps', namespace: STACK },
  { verb: 'create', group: '', resource: 'serviceaccounts', namespace: SEALIFT },
  { verb: 'create', group: '', resource: 'pods/portforward', namespace: STACK },
  { verb: 'get', group: '', resource: 'pods/log', namespace: STACK },
  { verb: 'create', group: 'apps', resource: 'deployments', namespace: STACK },
  { verb: 'create', group: 'apps', resource: 'statefulsets', namespace: STACK },
  { verb: 'create', group: 'apps', resource: 'daemonsets', namespace: SEALIFT },
  { verb: 'create', group: 'batch', resource: 'cronjobs', namespace: STACK },
  { verb: 'create', group: 'coordination.k8s.io', resource: 'leases', namespace: SEALIFT },
  { verb: 'create', group: 'rbac.authorization.k8s.io', resource: 'clusterroles' },
  { verb: 'create', group: 'rbac.authorization.k8s.io', resource: 'clusterrolebindings' },
  { verb: 'create', group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' },
  { verb: 'create', group: 'admissionregistration.k8s.io', resource: 'validatingwebhookconfigurations' },
  { verb: 'create', group: 'admissionregistration.k8s.io', resource: 'mutatingwebhookconfigurations' },
  { verb: 'create', group: 'admissionregistration.k8s.io', resource: 'validatingadmissionpolicies' },
];

const BIND_TIMEOUT_MS = 60_000;

async function rights({ cluster }: InstallWorld): Promise<CheckResult> {
  const answers = await Promise.all(NEEDED_RIGHTS.map((question) => cluster.canI(question)));
  const lacking = NEEDED_RIGHTS.filter((_, index) => answers[index] !== true).map(
    ({ verb, group, resource }) => `${verb} ${resource}${group === '' ? '' : `.${group}`}`,
  );
  if (lacking.length === 0) return { id: 'rights', outcome: 'ok', message: 'all rights that are needed' };
  const fix = 'run with a kubeconfig that has cluster-admin';
  return { id: 'rights', outcome: 'fail', message: `these rights are missing: ${lacking.join(', ')}`, fix };
}

/** Everything that is judged without changing anything. */
export async function runChecks(world: InstallWorld): Promise<CheckResult[]> {
  const { config, facts, bundle, clock } = world;
  return [await rights(world), ...preflightChecks({ config, facts, bundle, now: clock.now() })];
}

/** True when the site's volumes are there already: then binding needs no proof. */
async function hasVolumes({ cluster }: InstallWorld): Promise<boolean> {
  const claims = await cluster.list(KINDS.persistentVolumeClaim, { namespace: STACK });
  return claims.some((claim) => claim.metadata.name.startsWith('data-mariadb'));
}

/** Proves that a volume binds, with a claim that is taken away again. Classes that wait for a pod are left to the pods. */
async function proveBinding(world: InstallWorld, tell: Tell): Promise<void> {
  const { className } = world.config.storage;
  const used = world.facts.storageClasses.find(({ name, isDefault }) =>
    className === '' ? isDefault : name === className,
  );
  if (used?.bindsAtOnce !== true || (await hasVolumes(world))) return;
  const claim: KubeObject = {
    ...KINDS.persistentVolumeClaim,
    metadata: { name: 'sealift-preflight', namespace: 'default', labels: MANAGED },
    spec: {
      accessModes: ['ReadWriteOnce'],
      storageClassName: used.name,
      resources: { requests: { storage: '1Mi' } },
    },
  };
  tell(`a volume of class ${used.name}`);
  await world.cluster.apply(claim);
  try {
    await waitReady(world.cluster, refOf(claim), { timeoutMs: BIND_TIMEOUT_MS, signal: world.signal });
  } catch (cause) {
    throw new InstallerError('PREFLIGHT_FAILED', `a volume of class ${used.name} does not bind`, {
      cause,
      fix: `kubectl describe storageclass ${used.name}, and look at its provisioner (${describeRef(refOf(claim))})`,
    });
  } finally {
    await world.cluster.delete(refOf(claim));
  }
}

/**
 * Judges the cluster before the site is changed. Until the site has volumes, one is bound and taken away again.
 * @throws InstallerError `PREFLIGHT_FAILED` with everything that is wrong.
 */
export async function preflight(world: InstallWorld, tell: Tell): Promise<void> {
  const results = await runChecks(world);
  for (const { outcome, message } of results) tell(`${outcome === 'ok' ? '' : `${outcome}: `}${message}`);
  const failed = results.filter(({ outcome }) => outcome === 'fail');
  if (failed.length > 0) {
    const lines = failed.map(({ message, fix }) => `\n  ${message}${fix === undefined ? '' : `\n    next: ${fix}`}`);
    throw new InstallerError('PREFLIGHT_FAILED', `the cluster can't take the site yet:${lines.join('')}`, {
      fix: 'put these right and run the same command again; nothing was changed',
    });
  }
  await proveBinding(world, tell);
}
