import type { Digest } from '../appliance/kernel/digest.ts';
import { parseImageReference, repositoryName } from '../appliance/kernel/image-reference.ts';
import type { Descriptor } from './descriptor.ts';
import type { EvidenceImage, EvidenceItem } from './evidence-index.ts';
import { digestAt } from './inventory.ts';
import { MirrorError } from './mirror-error.ts';
import { contentOf, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from './oci-types.ts';
import type { BundleReader } from './open-bundle.ts';

/**
 * Checks that a bundle is whole: every image, child, config, layer, piece of evidence and attachment that anything in it
 * refers to is there with the size announced, and nothing is there that nothing refers to.
 * @throws MirrorError `BUNDLE_INCOMPLETE`.
 */
export async function assertComplete(reader: BundleReader): Promise<void> {
  const walk: Walk = { reader, reached: new Set() };
  const { images, attachments, evidence, members } = reader.inventory;
  for (const { descriptor } of attachments) reach(walk, descriptor, 'an attachment');
  for (const { reference, descriptor } of images) {
    const known = evidence.images[descriptor.digest];
    const name = repositoryName(parseImageReference(reference));
    if (known?.repositories.includes(name) !== true) throw incomplete(`no evidence is recorded for ${reference}`);
    await readManifest(walk, descriptor, reference);
  }
  for (const [digest, image] of Object.entries(evidence.images)) await checkImage(walk, digest as Digest, image);
  for (const [tag, digest] of Object.entries(evidence.tags)) {
    if (evidence.images[digest] === undefined) throw incomplete(`${tag} stands for ${digest}, which is not recorded`);
  }
  const stray = members.map(({ path }) => digestAt(path)).find((each) => each !== undefined && !walk.reached.has(each));
  if (stray !== undefined) throw incomplete(`${stray} is carried, but nothing refers to it`);
}

interface Walk {
  readonly reader: BundleReader;
  readonly reached: Set<Digest>;
}

async function checkImage(walk: Walk, digest: Digest, image: EvidenceImage): Promise<void> {
  if (!walk.reader.has(digest)) throw incomplete(`${digest} has evidence recorded, but is not there`);
  const descriptor = { mediaType: image.mediaType, digest, size: walk.reader.sizeOf(digest) };
  const manifest = await readManifest(walk, descriptor, digest);
  const announced = manifest.kind === 'index' ? manifest.manifests : [];
  for (const child of image.children) {
    const found = announced.find((each) => each.digest === child);
    if (found === undefined) throw incomplete(`${digest} does not have the child ${child} that is recorded`);
    await readManifest(walk, found, `child of ${digest}`);
  }
  for (const item of image.evidence) await checkEvidence(walk, item, digest);
}

async function checkEvidence(walk: Walk, item: EvidenceItem, subject: Digest): Promise<void> {
  const what = `evidence of ${subject}`;
  const content = contentOf(await readManifest(walk, item.manifest, what));
  const same =
    content.length === item.blobs.length &&
    content.every(({ digest, size }, index) => digest === item.blobs[index]?.digest && size === item.blobs[index].size);
  if (!same) throw incomplete(`${what}: ${item.manifest.digest} does not hold what is recorded`);
  for (const blob of item.blobs) reach(walk, blob, what);
}

/** Reads a manifest and reaches what it needs: config and layers. Children of an index are reached where recorded. */
async function readManifest(walk: Walk, descriptor: Descriptor, what: string): Promise<Manifest> {
  reach(walk, descriptor, what);
  const bytes = await walk.reader.readBlob(descriptor.digest, { maxBytes: MAX_MANIFEST_BYTES });
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind === 'manifest') for (const blob of contentOf(manifest)) reach(walk, blob, what);
  return manifest;
}

function reach({ reader, reached }: Walk, { digest, size }: Descriptor, what: string): void {
  if (!reader.has(digest)) throw incomplete(`${digest} (${what}) is not there`);
  if (reader.sizeOf(digest) !== size) {
    throw incomplete(`${digest} (${what}) has ${reader.sizeOf(digest)} bytes instead of ${size}`);
  }
  reached.add(digest);
}

function incomplete(why: string): MirrorError {
  return new MirrorError('BUNDLE_INCOMPLETE', `the bundle is not whole: ${why}`, {
    fix: 'make the bundle again; a network fault never leads to this',
  });
}
