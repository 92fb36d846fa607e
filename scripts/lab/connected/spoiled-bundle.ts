/** The parts of a Sigstore bundle (JSON form) that are spoiled here. */
interface BundleJson {
  readonly verificationMaterial: { readonly tlogEntries: readonly unknown[] };
  readonly dsseEnvelope?: { readonly signatures: readonly { readonly sig: string }[] };
  readonly messageSignature?: { readonly signature: string };
}

/** The bundle with one bit of its signature turned. */
export function withFlippedSignature(bundle: Buffer): Buffer {
  const parsed = JSON.parse(bundle.toString()) as BundleJson;
  const { dsseEnvelope, messageSignature } = parsed;
  if (messageSignature !== undefined) {
    return encode({
      ...parsed,
      messageSignature: { ...messageSignature, signature: flip(messageSignature.signature) },
    });
  }
  if (dsseEnvelope === undefined) throw new Error('the bundle holds no signature');
  const signatures = dsseEnvelope.signatures.map((signature) => ({ ...signature, sig: flip(signature.sig) }));
  return encode({ ...parsed, dsseEnvelope: { ...dsseEnvelope, signatures } });
}

/** The bundle with the log entries of another one: each part is sound, but they are not about each other. */
export function withBorrowedLogEntry(bundle: Buffer, other: Buffer): Buffer {
  const parsed = JSON.parse(bundle.toString()) as BundleJson;
  const { tlogEntries } = (JSON.parse(other.toString()) as BundleJson).verificationMaterial;
  return encode({ ...parsed, verificationMaterial: { ...parsed.verificationMaterial, tlogEntries } });
}

function flip(base64: string): string {
  const bytes = Buffer.from(base64, 'base64');
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  return bytes.toString('base64');
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
