// Just enough DER to issue certificates and timestamps: type, length, value (X.690).

/** One DER element. */
export function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(value.length), value]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}

export function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, ...parts);
}

/** A SET OF: DER sorts its members by their encoding. */
export function setOf(...parts: readonly Buffer[]): Buffer {
  return element(0x31, ...[...parts].sort((a, b) => Buffer.compare(a, b)));
}

/** A constructed, context-specific element `[number]`. */
export function context(number: number, ...parts: readonly Buffer[]): Buffer {
  return element(0xa0 | number, ...parts);
}

/** A non-negative INTEGER. */
export function integer(value: number | Buffer): Buffer {
  if (typeof value === 'number') return element(0x02, Buffer.from([value]));
  const first = value[0] ?? 0;
  return element(0x02, first >= 0x80 ? Buffer.concat([Buffer.from([0]), value]) : value);
}

export function octets(value: Buffer): Buffer {
  return element(0x04, value);
}

export function bits(value: Buffer, unused = 0): Buffer {
  return element(0x03, Buffer.from([unused]), value);
}

export function boolean(value: boolean): Buffer {
  return element(0x01, Buffer.from([value ? 0xff : 0]));
}

export function utf8(value: string): Buffer {
  return element(0x0c, Buffer.from(value, 'utf8'));
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left % 128) | 0x80);
  return digits;
}

/** A GeneralizedTime in whole seconds, UTC. */
export function time(value: Date): Buffer {
  return element(0x18, Buffer.from(digitsOf(value), 'latin1'));
}

/** A certificate's time: UTCTime before 2050, as RFC 5280 §4.1.2.5 wants; verifiers re-encode it so. */
export function certificateTime(value: Date): Buffer {
  return value.getUTCFullYear() < 2050 ? element(0x17, Buffer.from(digitsOf(value).slice(2), 'latin1')) : time(value);
}

function digitsOf(value: Date): string {
  return `${value.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}
