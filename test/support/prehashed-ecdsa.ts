import type { KeyObject } from 'node:crypto';

// ECDSA over a digest that is already there (FIPS 186-5 §6.4.2): Node hashes by itself and has no such call.
// For conformance runs that know a digest only; slow, and never part of the product.

interface Curve {
  readonly p: bigint;
  readonly n: bigint;
  readonly g: Point;
}
type Point = { readonly x: bigint; readonly y: bigint } | undefined;

const CURVES: Readonly<Record<string, Curve>> = {
  'P-256': {
    p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    g: {
      x: 0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n,
      y: 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n,
    },
  },
};

/** True when `signature` (DER) over `digest` is by `key`, an ECDSA P-256 key. */
export function verifyPrehashed(key: KeyObject, digest: Buffer, signature: Buffer): boolean {
  const jwk = key.export({ format: 'jwk' });
  const curve = CURVES[jwk.crv ?? ''];
  const parsed = readSignature(signature);
  if (curve === undefined || parsed === undefined) return false;
  const { r, s } = parsed;
  if ([r, s].some((part) => part <= 0n || part >= curve.n)) return false;
  const inverse = power(s, curve.n - 2n, curve.n);
  const e = toNumber(digest) % curve.n;
  const holder = {
    x: toNumber(Buffer.from(jwk.x ?? '', 'base64url')),
    y: toNumber(Buffer.from(jwk.y ?? '', 'base64url')),
  };
  const sum = add(
    multiply(curve.g, (e * inverse) % curve.n, curve),
    multiply(holder, (r * inverse) % curve.n, curve),
    curve,
  );
  return sum !== undefined && sum.x % curve.n === r;
}

function readSignature(der: Buffer): { r: bigint; s: bigint } | undefined {
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || der[2] !== 0x02) return undefined;
  const rLength = der[3] ?? 0;
  const sAt = 4 + rLength;
  const sLength = der[sAt + 1] ?? 0;
  if (der[sAt] !== 0x02 || sAt + 2 + sLength !== der.length) return undefined;
  return { r: toNumber(der.subarray(4, sAt)), s: toNumber(der.subarray(sAt + 2)) };
}

function toNumber(bytes: Buffer): bigint {
  return BigInt(`0x0${bytes.toString('hex')}`);
}

function mod(value: bigint, by: bigint): bigint {
  const rest = value % by;
  return rest < 0n ? rest + by : rest;
}

function power(base: bigint, exponent: bigint, by: bigint): bigint {
  let result = 1n;
  let square = mod(base, by);
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % by;
    square = (square * square) % by;
  }
  return result;
}

function add(a: Point, b: Point, { p }: Curve): Point {
  if (a === undefined) return b;
  if (b === undefined) return a;
  if (a.x === b.x && mod(a.y + b.y, p) === 0n) return undefined;
  // Both curves have a = -3.
  const slope =
    a.x === b.x
      ? mod((3n * a.x * a.x - 3n) * power(2n * a.y, p - 2n, p), p)
      : mod((b.y - a.y) * power(mod(b.x - a.x, p), p - 2n, p), p);
  const x = mod(slope * slope - a.x - b.x, p);
  return { x, y: mod(slope * (a.x - x) - a.y, p) };
}

function multiply(point: Point, by: bigint, curve: Curve): Point {
  let result: Point;
  let doubled = point;
  for (let left = by; left > 0n; left >>= 1n) {
    if (left & 1n) result = add(result, doubled, curve);
    doubled = add(doubled, doubled, curve);
  }
  return result;
}
