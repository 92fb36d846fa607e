import { z } from 'zod';

const dnsLabel = z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'a DNS label: a-z, 0-9 and -');
const dnsName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/, 'a DNS name in lower case');
const quantity = z.string().regex(/^[1-9][0-9]*(?:Mi|Gi|Ti)$/, 'a size such as 20Gi');
const absolutePath = z.string().regex(/^\/[^\0]*$/, 'an absolute path');
const filePath = z.string().min(1).max(4096);
const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable');
const days = z.int().min(1).max(36_500);
const replicas = (few: number) => z.int().min(1).max(9).default(few);
const hostAndPort = z.string().regex(/^[A-Za-z0-9.-]+(?::[0-9]{1,5})?$/, 'host or host:port');

/** A threshold role: so many keys, of which so many must sign. */
const keyRole = z
  .strictObject({ keys: z.int().min(1).max(9).default(1), threshold: z.int().min(1).max(9).default(1) })
  .refine(({ keys, threshold }) => threshold <= keys, {
    message: 'at most as many as there are keys',
    path: ['threshold'],
  })
  .prefault({});

const passphrase = z
  .discriminatedUnion('from', [
    z.strictObject({ from: z.literal('prompt') }),
    z.strictObject({ from: z.literal('file'), path: filePath }),
    z.strictObject({ from: z.literal('env'), name: envName }),
  ])
  .prefault({ from: 'prompt' });

const registry = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('internal'), size: quantity.default('20Gi') }),
    z.strictObject({
      kind: z.literal('external'),
      /** Where nodes and the webhook reach it, over TLS. */
      host: hostAndPort,
      /** PEM file of the CA that its certificate chains to; the system's roots when left out. */
      caFile: filePath.exactOptional(),
    }),
  ])
  .prefault({ kind: 'internal' });

const lifetimes = z
  .strictObject({
    siteCa: days.default(3650),
    fulcioRoot: days.default(3650),
    fulcioIntermediate: days.default(1825),
    tsaRoot: days.default(3650),
    tsaLeaf: days.default(1825),
    server: days.default(825),
  })
  .prefault({});

/** How old an upstream's trust may be, by trust domain, and what follows when it is older. */
const staleness = z
  .record(z.string(), z.strictObject({ maxAgeDays: days, onStale: z.enum(['warn', 'deny']) }))
  .superRefine((rules, context) => {
    for (const name of Object.keys(rules)) {
      if (dnsName.max(128).safeParse(name).success && name !== 'site') continue;
      context.addIssue({ code: 'custom', path: [name], message: 'the name of an upstream, such as sigstore.dev' });
    }
  });

/** `appliance.yaml`: what one site looks like. Everything has a default but the site's name; unknown fields are refused. */
export const applianceSchema = z.strictObject({
  schemaVersion: z.literal(1),
  site: z.strictObject({
    /** Names the site in certificates and messages. */
    name: dnsLabel,
    clusterDomain: dnsName.default('cluster.local'),
  }),
  storage: z
    .strictObject({
      /** Empty: the cluster's default class. */
      className: z.union([z.literal(''), dnsName]).default(''),
      database: quantity.default('5Gi'),
    })
    .prefault({}),
  registry,
  nodes: z
    .strictObject({
      /** The folder of containerd's `config_path`, where hosts.toml files lie. */
      containerdConfigPath: absolutePath.default('/etc/containerd/certs.d'),
      containerdSocket: absolutePath.default('/run/containerd/containerd.sock'),
      /** Sealift's own folder on each node. */
      stateDir: absolutePath.default('/var/lib/sealift'),
    })
    .prefault({}),
  replicas: z
    .strictObject({
      trillianLogServer: replicas(1),
      ctlog: replicas(1),
      fulcio: replicas(1),
      rekor: replicas(1),
      tsa: replicas(1),
      tuf: replicas(2),
      webhook: replicas(3),
    })
    .prefault({}),
  issuer: z
    .strictObject({
      /** `auto`: the relay, unless the issuer's keys lie on the issuer's own host and Fulcio can reach it. */
      mode: z.enum(['auto', 'relay', 'direct']).default('auto'),
      /** The audience of the tokens that pods sign with. */
      clientId: z.string().min(1).max(200).default('sigstore'),
    })
    .prefault({}),
  keys: z
    .strictObject({
      /** Where the offline keys are written, each encrypted with the passphrase. Relative to this file. */
      stateDir: filePath.default('sealift-keys'),
      passphrase,
      root: keyRole,
      targets: keyRole,
    })
    .prefault({}),
  lifetimesDays: lifetimes,
  webhook: z
    .strictObject({
      /** Namespaces where a refused image is refused; everywhere else it is let in with a warning. */
      enforce: z.array(dnsLabel).max(1000).default([]),
      /** Namespaces that are made later start in this mode. */
      newNamespaces: z.enum(['warn', 'enforce']).default('warn'),
    })
    .prefault({}),
  trust: z
    .strictObject({
      /** Published through TUF; a domain that is not named may be of any age. */
      staleness: staleness.default({}),
    })
    .prefault({}),
  /** YAML files of ClusterImagePolicies that are published through TUF, besides those of the bundle. Relative to this file. */
  policies: z.array(filePath).max(200).default([]),
  /** Sign and verify with cosign and sigstore-js, admit one image and refuse one, at the end. */
  acceptance: z.boolean().default(true),
});

/** A site's configuration with every default filled in. */
export type ApplianceConfig = z.infer<typeof applianceSchema>;

/** What a file, or a set of answers, may leave out. */
export type ApplianceInput = z.input<typeof applianceSchema>;
