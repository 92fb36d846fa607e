import { copyFile, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { systemClock } from '../../appliance/kernel/clock.ts';
import { CodedError, describeError } from '../../appliance/kernel/coded-error.ts';
import { parseImageReference } from '../../appliance/kernel/image-reference.ts';
import { attachmentOfBytes } from '../../mirror/attachment.ts';
import { closureOf } from '../../mirror/closure.ts';
import { createBundle } from '../../mirror/create-bundle.ts';
import { keyFingerprint, keySigner } from '../../mirror/inventory-signature.ts';
import { type BundleReader, openBundle } from '../../mirror/open-bundle.ts';
import { publishBundle } from '../../mirror/publish.ts';
import { verifyBundle } from '../../mirror/verify-bundle.ts';
import { captureUpstream } from '../../trust-root/capsule.ts';
import { generateKey, publicKeyDer } from '../../trust-root/keys.ts';
import type { UpstreamCapture } from '../../trust-root/upstream.ts';
import { type ConnectedSide, RELEASER, startConnectedSide } from './connected-side.ts';
import { type Narrator, narrator, timed, type VerdictRow, verdictTable } from './narrator.ts';
import { type Admission, makeSite, type Site } from './site.ts';

const ROUNDS = 5;

const POLICY = {
  apiVersion: 'policy.sigstore.dev/v1beta1',
  kind: 'ClusterImagePolicy',
  metadata: { name: 'acme-releases' },
  spec: {
    images: [{ glob: 'ghcr.io/acme/**' }],
    authorities: [{ name: 'release', keyless: { url: 'https://fulcio.sigstore.example', identities: [RELEASER] } }],
  },
};

type TrustedKey = ReturnType<typeof keyFingerprint>;

/** Both sides of the air gap in one process: the real code, with Kubernetes and Sigstore's servers played. */
async function main(): Promise<void> {
  const started = performance.now();
  const tell = narrator(console.log);
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-demo-'));
  const connected = await startConnectedSide();
  const site = await makeSite(path.join(folder, 'site'));
  try {
    const { file, trusted } = await makeArchive(tell, connected, folder);
    const carried = path.join(folder, 'carried.tar');
    await tamperAndRefuse(tell, { file, carried, trusted });
    await importArchive(tell, { file, carried, trusted, connected, site });
    await syncNodes(tell, site);
    const rows = await askWebhook(tell, connected, await site.startWebhook([POLICY]));
    console.log(`\n${verdictTable(rows)}`);
    console.log(
      `\n   ${((performance.now() - started) / 1000).toFixed(1)} s in all. Real: the archive, TUF, the agents' folders, the HTTPS webhook, every` +
        '\n   signature. Played in this process: Kubernetes (an in-memory cluster), Fulcio, Rekor, CT log, timestamp' +
        '\n   authority and both registries. The real ones: npm run lab:up.',
    );
  } finally {
    await site.close();
    await connected.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeArchive(tell: Narrator, connected: ConnectedSide, folder: string) {
  tell.chapter('connected side', 'one archive of images and all their evidence');
  const key = generateKey('ed25519');
  const trusted = keyFingerprint(publicKeyDer(key));
  const file = path.join(folder, 'site.tar');
  const references = connected.images.map(parseImageReference);
  const closure = await closureOf(connected.registry, references);
  const evidence = Object.values(closure.evidence.images).reduce((sum, image) => sum + image.evidence.length, 0);
  tell.fact(`${references.length} images resolved to digests, ${evidence} signatures and attestations found with them`);
  const domain = connected.sigstore.name;
  const capsule = await captureUpstream({ domain, ...connected.trust, clock: systemClock });
  const { capturedAt } = JSON.parse(capsule.toString()) as { capturedAt: string };
  const label = {
    kind: 'capsule',
    name: domain,
    mediaType: 'application/vnd.sealift.capsule+json',
    metadata: { capturedAt },
  };
  tell.fact(`upstream's trust captured with its whole TUF chain, ${capsule.byteLength} bytes`);
  const content = { closure, attachments: [attachmentOfBytes(label, capsule)], createdAt: new Date(), sequence: 1 };
  const { value, ms } = await timed(async () => await createBundle(file, content, { signer: keySigner(key) }));
  tell.fact(`site.tar: ${value.bytes} bytes, signed by ${trusted.slice(0, 23)}…`, ms);
  return { file, trusted };
}

interface Carried {
  readonly file: string;
  readonly carried: string;
  readonly trusted: TrustedKey;
}

async function withBundle<T>({ carried, trusted }: Carried, work: (reader: BundleReader) => Promise<T>): Promise<T> {
  const reader = await openBundle(carried, { trustedKeys: [trusted] });
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

async function tamperAndRefuse(tell: Narrator, parts: Carried): Promise<void> {
  tell.chapter('air gap', 'somebody flips one bit on the way');
  await copyFile(parts.file, parts.carried);
  const { size } = await stat(parts.carried);
  const handle = await open(parts.carried, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, size - 40_000);
  byte.writeUInt8(byte.readUInt8() ^ 1);
  await handle.write(byte, 0, 1, size - 40_000);
  await handle.close();
  const refusal = await withBundle(parts, async (reader) => await verifyBundle(reader)).catch(
    (error: unknown) => error,
  );
  if (!(refusal instanceof CodedError)) throw new Error('the tampered archive was taken');
  tell.fact(`refused, ${refusal.code}: ${describeError(refusal)}`);
}

async function importArchive(tell: Narrator, parts: Carried & { connected: ConnectedSide; site: Site }): Promise<void> {
  tell.chapter('site', 'the archive as it was made');
  await copyFile(parts.file, parts.carried);
  await withBundle(parts, async (reader) => {
    const verified = await timed(async () => await verifyBundle(reader));
    tell.fact('signature, every digest and completeness hold', verified.ms);
    const { value, ms } = await timed(async () => await publishBundle(reader, parts.site.registry));
    tell.fact(
      `${value.sentBlobs} blobs and ${value.sentManifests} manifests sent to the site's registry, tags last`,
      ms,
    );
    const capture = await capsuleIn(reader, parts.connected);
    await parts.site.publish(capture, reader.inventory.evidence);
    tell.fact(
      `upstream's trust checked again as of ${capture.asOf.toISOString()}, and published under the site's own TUF root`,
    );
  });
}

/** The capsule that the bundle carries, and what the site checks it against. */
async function capsuleIn(reader: BundleReader, { sigstore, trust }: ConnectedSide): Promise<UpstreamCapture> {
  const attachment = reader.attachments('capsule').find(({ name }) => name === sigstore.name);
  if (attachment === undefined) throw new Error('the bundle carries no capsule');
  const capsule = await reader.readBlob(attachment.descriptor.digest);
  const asOf = new Date(attachment.metadata?.['capturedAt'] ?? Number.NaN);
  return { domain: sigstore.name, capsule, asOf, pinnedRoot: trust.root };
}

async function syncNodes(tell: Narrator, site: Site): Promise<void> {
  tell.chapter('site', 'every node takes trust and evidence to its own disk');
  const { value, ms } = await timed(async () => await site.sync());
  for (const [index, { reason, generation, detail }] of value.entries()) {
    if (generation === undefined) throw new Error(`node-${index + 1} did not sync: ${reason} ${detail ?? ''}`);
    tell.fact(
      `node-${index + 1}: ${reason}, generation ${generation.number}, ${generation.targetNames().length} targets`,
      ms,
    );
  }
}

async function askWebhook(tell: Narrator, connected: ConnectedSide, admission: Admission): Promise<VerdictRow[]> {
  tell.chapter('site', 'the webhook answers over HTTPS, from what its node holds');
  const rows: VerdictRow[] = [];
  for (const image of [...connected.images, 'docker.io/library/nginx:1.29']) {
    const first = await admission.review(image);
    tell.fact(`${image}: ${first.allowed ? `admitted as ${shortened(first.pinned)}` : 'refused'}`, first.ms);
    const again: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) again.push((await admission.review(image)).ms);
    const [reason = ''] = first.message
      .split('\n')
      .filter((line) => line !== '')
      .slice(-1);
    const ms = again.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? first.ms;
    rows.push({
      image,
      verdict: first.allowed ? 'admitted' : 'refused',
      reason: reason.replace(/^\s*-\s*/, '').trim(),
      ms,
    });
  }
  return rows;
}

function shortened(reference: string): string {
  return reference.replace(/(@sha256:.{8}).*/, '$1…');
}

await main();
