import { parseConfig, withAbsolutePaths } from '../config/load.ts';
import type { ApplianceConfig } from '../config/schema.ts';
import { canonicalJson, parseJson } from '../kernel/json.ts';
import type { Cluster } from '../kube/cluster.ts';
import { KINDS } from '../kube/kube-object.ts';
import type { Person } from './ask.ts';
import type { ClusterFacts } from './observe.ts';
import { MANAGED } from './secrets.ts';
import { SEALIFT } from './site-names.ts';

const REF = { kind: KINDS.configMap, namespace: SEALIFT, name: 'sealift-config' };
const KEY = 'appliance.json';

/** The configuration that the site was installed with; `undefined` before the first installation. */
export async function readSiteConfig(cluster: Cluster): Promise<ApplianceConfig | undefined> {
  const text = (await cluster.get(REF))?.data?.[KEY];
  if (text === undefined) return undefined;
  return parseConfig(parseJson(text, 'configuration of the site'), 'the configuration that the site keeps');
}

/** Keeps the configuration in the cluster. Writes nothing when nothing changes. */
export async function writeSiteConfig(cluster: Cluster, config: ApplianceConfig): Promise<void> {
  const data = { [KEY]: canonicalJson(config) };
  await cluster.apply({
    ...KINDS.configMap,
    metadata: { namespace: REF.namespace, name: REF.name, labels: MANAGED },
    data,
  });
}

const NAME = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

/** Asks a person what the site is to be, with presets from what was seen. */
export async function askForConfig(person: Person, facts: ClusterFacts, folder: string): Promise<ApplianceConfig> {
  const name = await person.text('Name of this site', {
    preset: 'site',
    check: (text) => NAME.test(text) || 'lower-case letters, digits and -',
  });
  const registry = await person.choose(
    'Registry',
    [
      { value: 'internal', name: 'one of its own, inside the cluster' },
      { value: 'external', name: 'one that is there already' },
    ],
    'internal',
  );
  const host = registry === 'external' ? await person.text('Its host (and port)', { preset: '' }) : '';
  const className = await askForStorage(person, facts);
  const stateDir = await person.text('Folder for the offline keys', { preset: 'sealift-keys' });
  const acceptance = await person.confirm('Prove signing and admission at the end', true);
  const input = {
    schemaVersion: 1,
    site: { name },
    registry: registry === 'external' ? { kind: registry, host } : { kind: registry },
    storage: { className },
    keys: { stateDir },
    acceptance,
  };
  return withAbsolutePaths(parseConfig(input, 'the answers'), folder);
}

async function askForStorage(person: Person, { storageClasses }: ClusterFacts): Promise<string> {
  const standard = storageClasses.find(({ isDefault }) => isDefault);
  if (storageClasses.length < 2) return '';
  const choices = storageClasses.map(({ name, isDefault }) => ({
    value: isDefault ? '' : name,
    name: isDefault ? `${name} (default)` : name,
  }));
  return person.choose('Storage class', choices, standard === undefined ? (storageClasses[0]?.name ?? '') : '');
}
