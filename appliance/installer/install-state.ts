import { z } from 'zod';

import type { Cluster } from '../kube/cluster.ts';
import { KINDS } from '../kube/kube-object.ts';
import { MANAGED } from './secrets.ts';
import { SEALIFT } from './site-names.ts';

const stateSchema = z.looseObject({
  /** Bundle digest and registry that the images were published from and to. */
  images: z.string().exactOptional(),
  /** Digest of the bundle that the site was last fully installed from. */
  bundle: z.string().exactOptional(),
  /** Its sequence number. */
  sequence: z
    .string()
    .regex(/^[0-9]+$/)
    .exactOptional(),
  /** Version of Sealift that finished the last installation. */
  version: z.string().exactOptional(),
  /** Hex sha256 of the site's root v1, once its repository was whole. */
  root: z.string().exactOptional(),
  /** What the acceptance test passed on. */
  accepted: z.string().exactOptional(),
});

/** What the site remembers of its installation, in the ConfigMap `sealift-state`. */
export type InstallState = z.infer<typeof stateSchema>;

const REF = { kind: KINDS.configMap, namespace: SEALIFT, name: 'sealift-state' };

/** The site's memory; empty when there is none yet. */
export async function readState(cluster: Cluster): Promise<InstallState> {
  return stateSchema.parse((await cluster.get(REF))?.data ?? {});
}

/** Adds to the site's memory. Writes nothing when nothing changes. */
export async function writeState(cluster: Cluster, change: InstallState): Promise<void> {
  const state = { ...(await readState(cluster)), ...change };
  const data = Object.fromEntries(
    Object.entries(state).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
  await cluster.apply({
    ...KINDS.configMap,
    metadata: { name: REF.name, namespace: REF.namespace, labels: MANAGED },
    data,
  });
}
