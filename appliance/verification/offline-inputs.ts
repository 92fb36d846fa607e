import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { loadAll } from 'js-yaml';

import { fileBlobStore } from '../../mirror/blob-folder.ts';
import { MAX_EVIDENCE_INDEX_BYTES, parseEvidenceIndex } from '../../mirror/evidence-index.ts';
import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import { describeError } from '../kernel/coded-error.ts';
import { digestOf } from '../kernel/digest.ts';
import { EVIDENCE_LIMITS, type EvidenceDocument, type EvidenceReader } from './evidence.ts';
import { type ImagePolicy, parsePolicy } from './policy.ts';
import { storedEvidence } from './stored-evidence.ts';
import { VerificationError } from './verification-error.ts';

const MAX_POLICY_FILE_BYTES = 4 * 1024 * 1024;
const MAX_TRUSTED_ROOT_BYTES = 4 * 1024 * 1024;
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/**
 * The ClusterImagePolicies in YAML or JSON files, each with any number of documents.
 * @throws VerificationError `OPTION_INVALID` for a file that can't be read, `POLICY_INVALID`.
 */
export async function readPolicyFiles(files: readonly string[]): Promise<ImagePolicy[]> {
  const read = await Promise.all(
    files.map(async (file) => {
      const text = (await readBounded(file, MAX_POLICY_FILE_BYTES)).toString('utf8');
      return documentsIn(file, text).map(parsePolicy);
    }),
  );
  return read.flat();
}

function documentsIn(file: string, text: string): unknown[] {
  try {
    return loadAll(text).filter((document) => document !== null && document !== undefined);
  } catch (cause) {
    throw new VerificationError('POLICY_INVALID', `${file}: ${describeError(cause)}`, { cause });
  }
}

/**
 * Trust domains from `NAME=FILE` of a `trusted_root.json`; without a name, `defaultName`.
 * @throws VerificationError `OPTION_INVALID`.
 */
export async function readTrustedRootFiles(
  specs: readonly string[],
  { defaultName, resolve }: { defaultName: string; resolve: (file: string) => string },
): Promise<TrustDomain[]> {
  return await Promise.all(
    specs.map(async (spec) => {
      const split = spec.indexOf('=');
      const [name, file] = split === -1 ? [defaultName, spec] : [spec.slice(0, split), spec.slice(split + 1)];
      return { name, trustedRoot: await readBounded(resolve(file), MAX_TRUSTED_ROOT_BYTES), staleness: {} };
    }),
  );
}

/**
 * Evidence in a folder: `evidence-index.json`, and blobs in `sha256/<hex>`.
 * @throws VerificationError `OPTION_INVALID`; MirrorError `EVIDENCE_INDEX_INVALID`.
 */
export async function readEvidenceFolder(folder: string): Promise<EvidenceReader> {
  const bytes = await readBounded(path.join(folder, 'evidence-index.json'), MAX_EVIDENCE_INDEX_BYTES);
  return storedEvidence(parseEvidenceIndex(bytes), fileBlobStore(folder));
}

/** Sigstore bundles in files, as if each were attached to the image that is asked about. @throws VerificationError `OPTION_INVALID`. */
export async function readBundleFiles(files: readonly string[]): Promise<EvidenceReader> {
  const documents = await Promise.all(
    files.map(async (file): Promise<EvidenceDocument> => {
      const bytes = await readBounded(file, EVIDENCE_LIMITS.maxLayerBytes);
      const digest = digestOf(bytes);
      const layer = { mediaType: BUNDLE_TYPE, digest, bytes, annotations: {} };
      return { manifest: digest, mediaType: BUNDLE_TYPE, source: 'referrer', annotations: {}, layers: [layer] };
    }),
  );
  return { evidenceFor: async () => documents };
}

async function readBounded(file: string, maxBytes: number): Promise<Buffer> {
  try {
    const { size } = await stat(file);
    if (size > maxBytes)
      throw new VerificationError('OPTION_INVALID', `${file}: ${size} bytes, at most ${maxBytes} are read`);
    return await readFile(file);
  } catch (cause) {
    if (cause instanceof VerificationError) throw cause;
    throw new VerificationError('OPTION_INVALID', `${file}: can't be read`, { cause });
  }
}
