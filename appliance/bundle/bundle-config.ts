import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { load as parseYaml } from 'js-yaml';
import { z } from 'zod';

import { parseImageReference } from '../kernel/image-reference.ts';
import { BundleError } from './bundle-error.ts';

const MAX_FILE_BYTES = 1024 * 1024;

const filePath = z.string().min(1).max(4096);
const platform = z.string().regex(/^[a-z0-9]+\/[a-z0-9]+(?:\/[a-z0-9.]+)?$/, 'os/architecture, such as linux/amd64');
const image = z.string().refine(isImageReference, 'an image reference such as ghcr.io/acme/app:v1');
const host = z.string().regex(/^(?:\*|[A-Za-z0-9.-]+(?::[0-9]{1,5})?)$/, 'a registry host, or * for all others');
const httpUrl = z.url({ protocol: /^https?$/, error: 'an http or https URL' });

const passphrase = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('file'), path: filePath }),
  z.strictObject({
    from: z.literal('env'),
    name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable'),
  }),
]);

const bundleSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /** Orders the bundles of one maker; seconds since 1970 of the time of making, unless told. */
  sequence: z.int().min(0).exactOptional(),
  /** Children of image indexes that are carried; all unless told. */
  platforms: z.array(platform).min(1).max(20).exactOptional(),
  /** Application images, with all their evidence. */
  images: z.array(image).max(10_000).default([]),
  /** Sealift's own images, besides those that the charts name. */
  sealiftImages: z.array(image).max(100).default([]),
  /** The folder of Sealift's charts, one folder each. */
  stack: filePath.exactOptional(),
  /** Further charts, as folder or .tgz, with the values that they are rendered with to find their images. */
  charts: z
    .array(z.strictObject({ path: filePath, values: z.record(z.string(), z.unknown()).default({}) }))
    .max(500)
    .default([]),
  /** Sigstore instances whose trust is carried: TUF repository, and the root that it is trusted from. */
  upstream: z
    .array(
      z.strictObject({
        domain: z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, 'a trust domain such as sigstore.dev'),
        url: httpUrl,
        root: filePath,
        /** PEM of the CA of an https repository that no public CA vouches for. */
        caFile: filePath.exactOptional(),
      }),
    )
    .max(50)
    .default([]),
  /** YAML files of ClusterImagePolicies. */
  policies: z.array(filePath).max(500).default([]),
  /** The `helm` program for each platform; the one for this machine renders the charts. */
  helm: z.record(platform, filePath).default({}),
  /** The `sealift` executable for each platform. */
  executables: z.record(platform, filePath).default({}),
  registries: z
    .strictObject({
      /** Original host to base URL; a path in it goes before the repository. */
      mirrors: z.record(host, httpUrl).default({}),
      /** A docker config file with credentials. */
      configFile: filePath.exactOptional(),
      /** PEM of further CAs that registries may be certified by. */
      caFile: filePath.exactOptional(),
    })
    .prefault({}),
  signing: z.strictObject({
    /** Encrypted private key, as `sealift bundle keygen` makes it. */
    keyFile: filePath,
    passphrase,
  }),
});

/** `bundle.yaml`: what a bundle is made of. Unknown fields are refused. */
export type BundleConfig = z.infer<typeof bundleSchema>;

/**
 * Reads `bundle.yaml`. File names in it are made absolute, relative to the file itself.
 * @throws BundleError `CONFIG_MISSING`, `CONFIG_INVALID` with each wrong field, its path and the form that is expected.
 */
export async function loadBundleConfig(file: string): Promise<BundleConfig> {
  const text = await readBounded(file);
  let document: unknown;
  try {
    document = parseYaml(text, { filename: file });
  } catch (cause) {
    throw new BundleError('CONFIG_INVALID', `${file}: not YAML`, { cause, fix: `correct ${file} and run again` });
  }
  return withAbsolutePaths(parseBundleConfig(document, file), path.dirname(path.resolve(file)));
}

/** Checks a configuration. @param what names its source in errors. @throws BundleError `CONFIG_INVALID`. */
export function parseBundleConfig(document: unknown, what: string): BundleConfig {
  const parsed = bundleSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.flatMap(describeIssue).map((line) => `\n  ${line}`);
  throw new BundleError('CONFIG_INVALID', `${what}: ${lines.length} wrong:${lines.join('')}`, {
    fix: 'correct these fields; docs/bundle-format.md lists all of them',
  });
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const where = (extra: string[] = []): string => [...issue.path.map(String), ...extra].join('.') || '(the whole file)';
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${where([key])}: there is no such field`);
  if (issue.code === 'invalid_value') return [`${where()}: expected ${issue.values.map(String).join(' or ')}`];
  if (issue.code === 'invalid_key') return [`${where()}: expected ${issue.issues[0]?.message ?? 'another name'}`];
  if (issue.code === 'invalid_type') return [`${where()}: expected ${issue.expected}`];
  return [`${where()}: expected ${issue.message.replace(/^Invalid input: expected /, '')}`];
}

async function readBounded(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) {
      throw new BundleError('CONFIG_INVALID', `${file}: larger than ${MAX_FILE_BYTES} bytes`);
    }
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof BundleError) throw cause;
    throw new BundleError('CONFIG_MISSING', `${file}: can't be read`, { cause, fix: 'name the file with --config' });
  }
}

function withAbsolutePaths(config: BundleConfig, folder: string): BundleConfig {
  const absolute = (file: string): string => path.resolve(folder, file);
  const { registries, signing, stack } = config;
  const { configFile, caFile } = registries;
  return {
    ...config,
    ...(stack === undefined ? {} : { stack: absolute(stack) }),
    charts: config.charts.map((chart) => ({ ...chart, path: absolute(chart.path) })),
    upstream: config.upstream.map((each) => ({
      ...each,
      root: absolute(each.root),
      ...(each.caFile === undefined ? {} : { caFile: absolute(each.caFile) }),
    })),
    policies: config.policies.map(absolute),
    helm: mapValues(config.helm, absolute),
    executables: mapValues(config.executables, absolute),
    registries: {
      ...registries,
      ...(configFile === undefined ? {} : { configFile: absolute(configFile) }),
      ...(caFile === undefined ? {} : { caFile: absolute(caFile) }),
    },
    signing: {
      keyFile: absolute(signing.keyFile),
      passphrase:
        signing.passphrase.from === 'file'
          ? { from: 'file', path: absolute(signing.passphrase.path) }
          : signing.passphrase,
    },
  };
}

function mapValues(record: Record<string, string>, change: (value: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function isImageReference(text: string): boolean {
  try {
    parseImageReference(text);
    return true;
  } catch {
    return false;
  }
}
