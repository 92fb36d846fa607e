/** Every member starts at a multiple of this, and so does its content. */
export const TAR_BLOCK = 512;
/** Two blocks of zeros end an archive (POSIX.1-2017 pax "ustar Interchange Format"). */
export const TAR_END_BYTES = 2 * TAR_BLOCK;

const MAX_PATH_BYTES = 100;
/** What the eleven octal digits of a ustar size can say; beyond it the size is written in base 256 (GNU, read by all). */
const MAX_OCTAL_SIZE = 8 ** 11 - 1;

/** Bytes of zeros that follow a content of `size` bytes. */
export function paddingAfter(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/** Bytes that a member takes: header, content and padding. */
export function memberBytes(size: number): number {
  return TAR_BLOCK + size + paddingAfter(size);
}

/**
 * The one header that a regular file of this path and size has in a bundle: mode 0644, owner 0, time 0. Because there is
 * only one, a reader makes it again and compares, instead of interpreting what is in the archive.
 * @throws RangeError for a path that is not 1 to 100 bytes of printable ASCII.
 */
export function tarHeader(path: string, size: number): Buffer {
  if (!/^[\x21-\x7e]+$/.test(path) || path.length > MAX_PATH_BYTES) throw new RangeError(`no tar member: ${path}`);
  const header = Buffer.alloc(TAR_BLOCK);
  header.write(path, 0, 'latin1');
  header.write('0000644\0', 100, 'latin1');
  header.write('0000000\0', 108, 'latin1');
  header.write('0000000\0', 116, 'latin1');
  writeSize(header, size);
  header.write('00000000000\0', 136, 'latin1');
  header.write('        ', 148, 'latin1');
  header.write('0', 156, 'latin1');
  header.write('ustar\x0000', 257, 'latin1');
  header.write('0000000\0', 329, 'latin1');
  header.write('0000000\0', 337, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function writeSize(header: Buffer, size: number): void {
  if (size <= MAX_OCTAL_SIZE) {
    header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
    return;
  }
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(size), 128);
}

/** The size that a header claims, in either form; undefined when it is neither. Not yet to be trusted. */
export function claimedSize(header: Buffer): number | undefined {
  if (header[124] === 0x80) {
    const size = header.readBigUInt64BE(128);
    return size <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(size) : undefined;
  }
  const octal = header.toString('latin1', 124, 136);
  return /^[0-7]{11}\0$/.test(octal) ? Number.parseInt(octal, 8) : undefined;
}
