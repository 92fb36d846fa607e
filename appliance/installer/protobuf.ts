import { InstallerError } from './installer-error.ts';

/** A field of a protocol buffers message, as it lies on the wire. */
export interface WireField {
  readonly number: number;
  /** The value of a varint or fixed field; 0 for bytes. */
  readonly value: bigint;
  /** The content of a length-delimited field; empty for others. */
  readonly bytes: Buffer;
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

/** An integer field (wire type 0). */
export function integerField(number: number, value: bigint): Buffer {
  return Buffer.concat([varint(BigInt(number) << 3n), varint(value)]);
}

/** A string, bytes or message field (wire type 2). */
export function bytesField(number: number, value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((BigInt(number) << 3n) | 2n), varint(BigInt(bytes.byteLength)), bytes]);
}

class WireReader {
  position = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.position >= this.#bytes.byteLength;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.position];
      if (byte === undefined) break;
      this.position += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return BigInt.asUintN(64, value);
    }
    throw malformed();
  }

  take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.#bytes.byteLength) throw malformed();
    const taken = this.#bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }
}

function malformed(): InstallerError {
  return new InstallerError('SERVICE_FAILED', 'a service sent a protocol buffers message that can not be read');
}

/** Reads the fields of a message, in their order. @throws InstallerError `SERVICE_FAILED` for what is malformed. */
export function wireFields(message: Buffer): WireField[] {
  const reader = new WireReader(message);
  const fields: WireField[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    fields.push(readField(reader, { number: Number(tag >> 3n), type: Number(tag & 7n) }));
  }
  return fields;
}

const NOTHING = Buffer.alloc(0);

function readField(reader: WireReader, { number, type }: { number: number; type: number }): WireField {
  if (type === 0) return { number, value: reader.varint(), bytes: NOTHING };
  if (type === 1) return { number, value: reader.take(8).readBigUInt64LE(), bytes: NOTHING };
  if (type === 2) return { number, value: 0n, bytes: reader.take(Number(reader.varint())) };
  if (type === 5) return { number, value: BigInt(reader.take(4).readUInt32LE()), bytes: NOTHING };
  throw malformed();
}
