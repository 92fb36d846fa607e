import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';

import { digestFromHex, digestOf } from '../appliance/kernel/digest.ts';
import type { Attachment } from './inventory.ts';
import { MirrorError } from './mirror-error.ts';

/** Something that travels beside the images: what it is, and how to get its bytes. */
export interface AttachmentSource {
  readonly attachment: Attachment;
  /** Opens the content from its start. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** What an attachment is called. The media type tells programs what is inside. */
export type AttachmentLabel = Omit<Attachment, 'descriptor'> & { readonly mediaType: string };

/** An attachment of bytes in memory. */
export function attachmentOfBytes({ mediaType, ...label }: AttachmentLabel, bytes: Uint8Array): AttachmentSource {
  return {
    attachment: { ...label, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength } },
    open: async function* () {
      yield bytes;
    },
  };
}

/** An attachment of a file, which is read here for its digest and again when the bundle is written. */
export async function attachmentOfFile(
  { mediaType, ...label }: AttachmentLabel,
  file: string,
): Promise<AttachmentSource> {
  const hash = createHash('sha256');
  let size = 0;
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new MirrorError('BLOB_NOT_FOUND', `${file} can't be read`, { cause });
  });
  for await (const chunk of handle.createReadStream() as AsyncIterable<Buffer>) {
    hash.update(chunk);
    size += chunk.byteLength;
  }
  return {
    attachment: { ...label, descriptor: { mediaType, digest: digestFromHex(hash.digest('hex')), size } },
    open: () => createReadStream(file, { highWaterMark: 1024 * 1024 }),
  };
}
