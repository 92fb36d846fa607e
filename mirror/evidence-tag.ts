import { digestOf } from '../appliance/kernel/digest.ts';
import { canonicalJson } from '../appliance/kernel/json.ts';
import type { Descriptor } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';
import { MAX_MANIFEST_ENTRIES, parseManifest } from './oci-types.ts';
import type { FetchedManifest } from './registry-port.ts';

/**
 * What a tag of the tag scheme (`sha256-….sig`, `.att`) is to hold when there is something already: cosign adds each
 * signature to what the tag holds, so both sides may have added their own. Nothing that is there gets lost.
 * @returns `undefined` when what is there holds all of `wanted`; else a manifest with the layers of both.
 */
export function mergedEvidence(present: FetchedManifest, wanted: FetchedManifest): FetchedManifest | undefined {
  if (present.descriptor.digest === wanted.descriptor.digest) return undefined;
  const there = layersOf(present);
  const ours = layersOf(wanted);
  // What is there is no list of signatures: the bundle's, which was verified, counts.
  if (there === undefined || ours === undefined) return wanted;
  const held = new Set(there.map(keyOf));
  if (ours.every((layer) => held.has(keyOf(layer)))) return undefined;
  const wantedKeys = new Set(ours.map(keyOf));
  const others = there.filter((layer) => !wantedKeys.has(keyOf(layer)));
  if (others.length === 0 || ours.length + others.length > MAX_MANIFEST_ENTRIES) return wanted;
  const document = JSON.parse(wanted.bytes.toString('utf8')) as object;
  const bytes = Buffer.from(JSON.stringify({ ...document, layers: [...ours, ...others] }));
  const { mediaType } = wanted.descriptor;
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength } };
}

function layersOf({ bytes, descriptor }: FetchedManifest): readonly Descriptor[] | undefined {
  try {
    const manifest = parseManifest(bytes, descriptor.mediaType);
    return manifest.kind === 'manifest' ? manifest.layers : undefined;
  } catch (error) {
    if (error instanceof MirrorError) return undefined;
    throw error;
  }
}

/** A signature is its payload and its annotations: one payload is signed by many. */
function keyOf({ digest, annotations = {} }: Descriptor): string {
  return canonicalJson({ digest, annotations });
}
