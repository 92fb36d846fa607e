import type { FileHandle } from 'node:fs/promises';

/** Pieces smaller than this are gathered: each write costs a hand-over to another thread. */
const GATHER_BYTES = 1024 * 1024;

/** Writes all of `bytes` at `position`. */
export async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.byteLength - written, position + written);
    written += bytesWritten;
  }
}

/**
 * Writes what `chunks` gives from `position` on, without copying it together.
 * @param onWritten told of the bytes of each write, after it.
 */
export async function writeStreamAt(
  handle: FileHandle,
  chunks: AsyncIterable<Uint8Array>,
  { position, onWritten }: { position: number; onWritten: (bytes: number) => void },
): Promise<void> {
  let at = position;
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    const pieces = gathered;
    const length = bytes;
    gathered = [];
    bytes = 0;
    const { bytesWritten } = await handle.writev(pieces, at);
    // A short write is rare (a full disk, a signal): what is left goes out in one piece, or fails.
    if (bytesWritten < length) await writeAt(handle, Buffer.concat(pieces).subarray(bytesWritten), at + bytesWritten);
    at += length;
    onWritten(length);
  };
  for await (const chunk of chunks) {
    gathered.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= GATHER_BYTES) await flush();
  }
  if (bytes > 0) await flush();
}
