import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { getCACertificates } from 'node:tls';

import { type AttachmentSource, attachmentOfBytes, attachmentOfFile } from '../../mirror/attachment.ts';
import { closureOf } from '../../mirror/closure.ts';
import { type ByteProgress, type CreatedBundle, createBundle } from '../../mirror/create-bundle.ts';
import { dockerConfigCredentials } from '../../mirror/credentials.ts';
import type { InventorySigner } from '../../mirror/inventory-signature.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import type { RegistryClient } from '../../mirror/registry-port.ts';
import type { RetryPolicy } from '../../mirror/retry.ts';
import { formatImageReference, parseImageReference } from '../kernel/image-reference.ts';
import { readPolicyFiles } from '../verification/offline-inputs.ts';
import type { BundleConfig } from './bundle-config.ts';
import { imagesInManifests } from './chart-images.ts';
import { type ChartSource, chartFolders, readChart } from './chart-source.ts';
import type { RenderChart } from './render-chart.ts';
import { STACK_RENDER_VALUES } from './stack-values.ts';

/** Takes the trust of a Sigstore instance along: its whole TUF repository, verified, as the bytes of a capsule. */
export type CaptureUpstream = (upstream: BundleConfig['upstream'][number]) => Promise<CapturedTrust>;

/** A capsule, and what is worth telling about it. */
export interface CapturedTrust {
  readonly bytes: Buffer;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What making a bundle needs besides its configuration. */
export interface CreateParts {
  readonly renderChart: RenderChart;
  readonly captureUpstream: CaptureUpstream;
  readonly signer: InventorySigner;
  readonly createdAt: Date;
  /** Told in words what is being done. */
  readonly tell: (line: string) => void;
  readonly onProgress: (progress: ByteProgress) => void;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  /** How patiently registries are asked; for tests. */
  readonly retry?: RetryPolicy;
}

/**
 * Makes a bundle as `bundle.yaml` says: charts with every image that they render, Sealift's own images, application
 * images with all their evidence, upstream trust, policies, and the programs for the site.
 * @throws BundleError, MirrorError, VerificationError `POLICY_INVALID`.
 */
export async function createSiteBundle(
  output: string,
  config: BundleConfig,
  parts: CreateParts,
): Promise<CreatedBundle> {
  const { tell, createdAt, signal } = parts;
  await readPolicyFiles(config.policies);
  const charts = await renderedCharts(config, parts.renderChart);
  tell(`${charts.length} charts rendered`);
  const roles = rolesOf(config, charts);
  const attachments = [
    ...charts.map(({ chart }) => chartAttachment(chart)),
    ...(await policyAttachments(config.policies)),
    ...(await programAttachments('helm', config.helm)),
    ...(await programAttachments('executable', config.executables)),
    ...(await capsuleAttachments(config, parts)),
  ];
  const client = await clientFor(config, parts);
  try {
    let resolved = 0;
    const closure = await closureOf(client, [...roles.keys()].map(parseImageReference), {
      ...(config.platforms === undefined ? {} : { platforms: config.platforms }),
      onImage: ({ reference, root }) => {
        resolved += 1;
        tell(`image ${resolved} of ${roles.size}: ${formatImageReference(reference)} is ${root.digest}`);
      },
    });
    const sequence = config.sequence ?? Math.floor(createdAt.getTime() / 1000);
    const rolesOfImage = ({ reference }: { reference: Parameters<typeof formatImageReference>[0] }): string[] => [
      ...(roles.get(formatImageReference(reference)) ?? []),
    ];
    return await createBundle(
      output,
      { closure, attachments, createdAt, sequence, rolesOf: rolesOfImage },
      {
        signer: parts.signer,
        onProgress: parts.onProgress,
        overwrite: parts.overwrite === true,
        ...(signal === undefined ? {} : { signal }),
      },
    );
  } finally {
    await client.close();
  }
}

interface RenderedChart {
  readonly chart: ChartSource;
  readonly images: readonly string[];
}

async function renderedCharts({ stack, charts }: BundleConfig, render: RenderChart): Promise<RenderedChart[]> {
  const ours = stack === undefined ? [] : await chartFolders(stack);
  const wanted = [
    ...ours.map((folder) => ({ path: folder, values: STACK_RENDER_VALUES[path.basename(folder)] ?? {} })),
    ...charts,
  ];
  const rendered: RenderedChart[] = [];
  for (const { path: source, values } of wanted) {
    const chart = await readChart(source);
    rendered.push({ chart, images: imagesInManifests(await render(chart, values), `chart ${chart.name}`) });
  }
  return rendered;
}

/** Every image that is carried, with what it is there for. */
function rolesOf(config: BundleConfig, charts: readonly RenderedChart[]): Map<string, Set<string>> {
  const roles = new Map<string, Set<string>>();
  const add = (text: string, role: string): void => {
    const reference = formatImageReference(parseImageReference(text));
    roles.set(reference, (roles.get(reference) ?? new Set()).add(role));
  };
  for (const { chart, images } of charts) for (const image of images) add(image, `chart:${chart.name}`);
  for (const image of config.sealiftImages) add(image, 'sealift');
  for (const image of config.images) add(image, 'application');
  return roles;
}

function chartAttachment({ name, version, archive }: ChartSource): AttachmentSource {
  const mediaType = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
  return attachmentOfBytes({ kind: 'chart', name, mediaType, metadata: { version } }, archive);
}

async function policyAttachments(files: readonly string[]): Promise<AttachmentSource[]> {
  return await Promise.all(
    files.map(async (file) => {
      const label = { kind: 'policy', name: path.basename(file), mediaType: 'application/yaml' };
      return attachmentOfBytes(label, await readFile(file));
    }),
  );
}

async function programAttachments(
  kind: 'helm' | 'executable',
  files: BundleConfig['helm'],
): Promise<AttachmentSource[]> {
  const name = kind === 'helm' ? 'helm' : 'sealift';
  return await Promise.all(
    Object.entries(files).map(
      async ([platform, file]) =>
        await attachmentOfFile({ kind, name, platform, mediaType: 'application/vnd.sealift.executable' }, file),
    ),
  );
}

async function capsuleAttachments({ upstream }: BundleConfig, parts: CreateParts): Promise<AttachmentSource[]> {
  const attachments: AttachmentSource[] = [];
  for (const instance of upstream) {
    parts.tell(`trust of ${instance.domain} from ${instance.url}`);
    const { bytes, metadata } = await parts.captureUpstream(instance);
    const label = { kind: 'capsule', name: instance.domain, mediaType: 'application/vnd.sealift.capsule+json' };
    attachments.push(attachmentOfBytes({ ...label, ...(metadata === undefined ? {} : { metadata }) }, bytes));
  }
  return attachments;
}

async function clientFor({ registries }: BundleConfig, { signal, retry }: CreateParts): Promise<RegistryClient> {
  const { mirrors, configFile, caFile } = registries;
  return registryClient({
    mirrors,
    ...(configFile === undefined ? {} : { credentials: await dockerConfigCredentials(configFile) }),
    ...(caFile === undefined
      ? {}
      : { ca: [...getCACertificates('default'), await readFile(caFile, 'utf8')].join('\n') }),
    ...(signal === undefined ? {} : { signal }),
    ...(retry === undefined ? {} : { retry }),
  });
}
