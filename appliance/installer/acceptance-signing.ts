import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { listInFallbackTag } from '../../mirror/fallback-tags.ts';
import { MEDIA } from '../../mirror/oci-types.ts';
import type { RepositoryClient } from '../../mirror/registry-port.ts';
import { type Digest, digestOf, hexOf } from '../kernel/digest.ts';
import { InstallerError } from './installer-error.ts';

/** What signs, and where. */
export interface AcceptanceSigning {
  readonly repository: RepositoryClient;
  readonly image: Digest;
  /** A service-account token with the audience of the site's Fulcio. */
  readonly token: string;
  readonly services: { readonly fulcio: string; readonly rekor: string; readonly tsa: string; readonly tuf: string };
  /** File with root v1. */
  readonly rootFile: string;
  /** Who must come out as the signer. */
  readonly identity: { readonly issuer: string; readonly uri: string };
}

const STATEMENT_TYPE = 'application/vnd.in-toto+json';
const PREDICATE_TYPE = 'https://sigstore.dev/cosign/sign/v1';
const TIMEOUT_MS = 30_000;

/**
 * Signs an image as sigstore-js does, verifies the result with sigstore-js against the site's TUF repository, and attaches
 * it to the image as cosign 3 does: a Sigstore bundle as an OCI 1.1 referrer.
 * @throws InstallerError `ACCEPTANCE_FAILED`.
 */
export async function signAndVerify(signing: AcceptanceSigning): Promise<void> {
  const bundle = await signedBundle(signing);
  await attach(signing, Buffer.from(JSON.stringify(bundle)));
}

async function signedBundle({ image, token, services, rootFile, identity }: AcceptanceSigning): Promise<object> {
  // Loaded here only: no other command needs it, and it is large.
  const { attest, verify } = await import('sigstore');
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: '', digest: { sha256: hexOf(image) } }],
    predicateType: PREDICATE_TYPE,
    predicate: {},
  };
  const cache = await mkdtemp(path.join(tmpdir(), 'sealift-acceptance-'));
  try {
    const bundle = await attest(Buffer.from(JSON.stringify(statement)), STATEMENT_TYPE, {
      fulcioURL: services.fulcio,
      rekorURL: services.rekor,
      tsaServerURL: services.tsa,
      identityToken: token,
      timeout: TIMEOUT_MS,
    });
    await verify(bundle, {
      tufMirrorURL: services.tuf,
      tufRootPath: rootFile,
      tufCachePath: cache,
      certificateIssuer: identity.issuer,
      certificateIdentityURI: identity.uri,
      timeout: TIMEOUT_MS,
    });
    return bundle;
  } catch (cause) {
    throw new InstallerError('ACCEPTANCE_FAILED', 'sigstore-js could not sign and verify with the site', { cause });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

async function attach({ repository, image }: AcceptanceSigning, bundle: Buffer): Promise<void> {
  const subject = await repository.manifest(image);
  if (subject === undefined) {
    throw new InstallerError('ACCEPTANCE_FAILED', `${repository.name}@${image} is not in the registry`);
  }
  const store = async (bytes: Buffer, mediaType: string) => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
    await repository.putBlob(descriptor, async function* (start, end) {
      yield bytes.subarray(start, end);
    });
    return descriptor;
  };
  const annotations = {
    'dev.sigstore.bundle.content': 'dsse-envelope',
    'dev.sigstore.bundle.predicateType': PREDICATE_TYPE,
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    artifactType: MEDIA.sigstoreBundle,
    config: await store(Buffer.from('{}'), MEDIA.ociEmpty),
    layers: [await store(bundle, MEDIA.sigstoreBundle)],
    subject: subject.descriptor,
    annotations,
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
  const { listsReferrers } = await repository.putManifest(descriptor.digest, { descriptor, bytes });
  if (listsReferrers) return;
  await listInFallbackTag(repository, image, [{ ...descriptor, artifactType: MEDIA.sigstoreBundle, annotations }]);
}
