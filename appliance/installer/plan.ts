import type { ApplianceConfig } from '../config/schema.ts';
import type { Step } from './step.ts';
import { acceptance } from './steps/acceptance.ts';
import { mariadb, trillian } from './steps/database.ts';
import { inventory } from './steps/inventory.ts';
import { keys } from './steps/keys.ts';
import { namespaces } from './steps/namespaces.ts';
import { nodeAgent } from './steps/node-agent.ts';
import { nodes } from './steps/nodes.ts';
import { images, registry } from './steps/registry.ts';
import { ctlog, fulcio, rekor, tsa } from './steps/signing.ts';
import { repository, tuf } from './steps/tuf.ts';
import { webhook } from './steps/webhook.ts';

/**
 * The steps of an installation, in order. Trust and its server need no image but the nodes' own, and come first: node
 * agents follow them, and lead containerd to the site's registry before the first image is pulled from it.
 */
export function installationSteps(config: ApplianceConfig): Step[] {
  const ownRegistry = config.registry.kind === 'internal' ? [nodes, registry] : [];
  return [
    namespaces,
    keys,
    repository,
    ...ownRegistry,
    images,
    inventory,
    tuf,
    nodeAgent,
    mariadb,
    trillian,
    ctlog,
    fulcio,
    rekor,
    tsa,
    webhook,
    ...(config.acceptance ? [acceptance] : []),
  ];
}
