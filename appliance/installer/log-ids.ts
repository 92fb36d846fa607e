import { z } from 'zod';

import type { Cluster } from '../kube/cluster.ts';
import { KINDS } from '../kube/kube-object.ts';
import { MANAGED } from './secrets.ts';
import { STACK } from './site-names.ts';

const REF = { kind: KINDS.configMap, namespace: STACK, name: 'sealift-logs' };
const treeId = z.string().regex(/^[1-9][0-9]{0,18}$/);
const idsSchema = z.looseObject({ rekor: treeId.exactOptional(), ctlog: treeId.exactOptional() });

/** Ids of the site's logs in Trillian. */
export type LogIds = Pick<z.infer<typeof idsSchema>, 'rekor' | 'ctlog'>;

/** The ids that the site has recorded. */
export async function readLogIds(cluster: Cluster): Promise<LogIds> {
  return idsSchema.parse((await cluster.get(REF))?.data ?? {});
}

/** Records the id of a log. */
export async function writeLogId(cluster: Cluster, log: keyof LogIds, id: string): Promise<void> {
  const { rekor, ctlog } = await readLogIds(cluster);
  const data = { ...(rekor === undefined ? {} : { rekor }), ...(ctlog === undefined ? {} : { ctlog }), [log]: id };
  await cluster.apply({
    ...KINDS.configMap,
    metadata: { name: REF.name, namespace: REF.namespace, labels: MANAGED },
    data,
  });
}
