import { createHash } from 'node:crypto';

import { z } from 'zod';

import { kubeJson } from './site.ts';
import type { World } from './world.ts';

const NAMESPACES = ['sigstore-system', 'sealift-system'];
const SECRET_PART = /private|password|passphrase|\.pem$|tls\.key/;
/** Its certificate names the Service's address, which is another one after an uninstallation. */
const READDRESSED = 'registry-tls';

const secretsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string() }),
      type: z.string(),
      data: z.record(z.string(), z.string()).default({}),
    }),
  ),
});

/** The keys that the site has in Secrets, which must never be made twice: `namespace/secret/part` to a hash. */
export async function keysOf({ lab }: World): Promise<Map<string, string>> {
  const { items } = secretsSchema.parse(await kubeJson(lab, ['get', 'secrets', '-A']));
  const own = items.filter(
    ({ metadata, type }) =>
      NAMESPACES.includes(metadata.namespace) && !type.startsWith('helm.sh/') && metadata.name !== READDRESSED,
  );
  return new Map(
    own.flatMap(({ metadata: { name, namespace }, data }) =>
      Object.entries(data)
        .filter(([part]) => SECRET_PART.test(part))
        .map(([part, value]) => [`${namespace}/${name}/${part}`, sha256(value)] as const),
    ),
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
