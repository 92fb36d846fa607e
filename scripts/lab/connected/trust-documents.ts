import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { CTLOG_PREFIX, localUrl, PORTS, UPSTREAM_HOSTS } from './upstream.ts';
import type { UpstreamKeys } from './upstream-keys.ts';

/** Clocks need not agree to the second. */
const LEEWAY_MS = 5 * 60_000;
const OPERATOR = 'sigstore.example';

function since(made: Date): { start: string } {
  return { start: new Date(made.getTime() - LEEWAY_MS).toISOString() };
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** RFC 6962 log id: SHA-256 of the key's DER. Rekor v1 and CT use it. */
function logIdOf(key: KeyObject): string {
  return createHash('sha256').update(spki(key)).digest('base64');
}

/** C2SP signed-note key id, whole: what Rekor v2 uses for Ed25519. */
function noteKeyIdOf(key: KeyObject, origin: string): string {
  const raw = spki(key).subarray(-32);
  return createHash('sha256')
    .update(`${origin}\n`)
    .update(Buffer.from([1]))
    .update(raw)
    .digest('base64');
}

function certificates(pemChain: string): { certificates: { rawBytes: string }[] } {
  const blocks = pemChain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return { certificates: blocks.map((pem) => ({ rawBytes: new X509Certificate(pem).raw.toString('base64') })) };
}

/** The upstream Sigstore's `trusted_root.json` (sigstore_trustroot.proto), of keys that were made at `made`. */
export function trustedRootDocument(keys: UpstreamKeys, made: Date): object {
  const validFor = since(made);
  const log = (baseUrl: string, publicKey: KeyObject, details: { keyDetails: string; keyId: string }) => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: spki(publicKey).toString('base64'), keyDetails: details.keyDetails, validFor },
    logId: { keyId: details.keyId },
  });
  const ecdsa = (key: KeyObject) => ({ keyDetails: 'PKIX_ECDSA_P256_SHA_256', keyId: logIdOf(key) });
  const { rekor, rekorV2, ctlog, fulcio, tsa } = UPSTREAM_HOSTS;
  const rekorV2Key = keys.rekorV2.publicKey;
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [
      log(`https://${rekor}`, keys.rekor.publicKey, ecdsa(keys.rekor.publicKey)),
      log(`https://${rekorV2}`, rekorV2Key, { keyDetails: 'PKIX_ED25519', keyId: noteKeyIdOf(rekorV2Key, rekorV2) }),
    ],
    certificateAuthorities: [
      {
        subject: { organization: OPERATOR, commonName: 'sigstore' },
        uri: `https://${fulcio}`,
        certChain: certificates(keys.fulcioChain),
        validFor,
      },
    ],
    ctlogs: [log(`https://${ctlog}/${CTLOG_PREFIX}`, keys.ctlog.publicKey, ecdsa(keys.ctlog.publicKey))],
    timestampAuthorities: [
      {
        subject: { organization: OPERATOR, commonName: 'sigstore-tsa-selfsigned' },
        uri: `https://${tsa}/api/v1/timestamp`,
        certChain: certificates(keys.tsaChain),
        validFor,
      },
    ],
  };
}

/** A signing config (v0.2) that leads to Rekor of the given major version; v2 takes time from the authority. */
export function signingConfigDocument(rekor: 1 | 2, made: Date): object {
  const service = (url: string, majorApiVersion: number) => ({
    url,
    majorApiVersion,
    validFor: since(made),
    operator: OPERATOR,
  });
  const tsa = rekor === 2 ? [service(`${localUrl(PORTS.tsa)}/api/v1/timestamp`, 1)] : [];
  return {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [service(localUrl(PORTS.fulcio), 1)],
    oidcUrls: [],
    rekorTlogUrls: [service(localUrl(rekor === 1 ? PORTS.rekor : PORTS.rekorV2), rekor)],
    tsaUrls: tsa,
    rekorTlogConfig: { selector: 'ANY' },
    tsaConfig: { selector: 'ANY' },
  };
}
