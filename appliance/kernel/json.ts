import { KernelError } from './coded-error.ts';

/** Any value that JSON can carry. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** Limits of {@link parseJson}. */
export interface JsonLimits {
  /** Most bytes of UTF-8 taken; 8 MiB unless told. */
  readonly maxBytes?: number;
  /** Deepest nesting of objects and arrays taken; 64 unless told. */
  readonly maxDepth?: number;
}

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const DEFAULT_MAX_DEPTH = 64;

/**
 * Parses JSON from outside: bounded in size and depth, UTF-8 strictly, result `unknown` for a schema to narrow.
 * @param what names the document in the error.
 * @throws KernelError `TOO_LARGE`, `JSON_TOO_DEEP`, `JSON_INVALID`.
 */
export function parseJson(input: Uint8Array | string, what: string, limits: JsonLimits = {}): unknown {
  const { maxBytes = DEFAULT_MAX_BYTES, maxDepth = DEFAULT_MAX_DEPTH } = limits;
  const size = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength;
  if (size > maxBytes) throw new KernelError('TOO_LARGE', `${what}: ${size} bytes, at most ${maxBytes} are taken`);
  let text: string;
  try {
    text = typeof input === 'string' ? input : new TextDecoder('utf-8', { fatal: true }).decode(input);
  } catch (cause) {
    throw new KernelError('JSON_INVALID', `${what}: not UTF-8`, { cause });
  }
  if (deepestNesting(text, maxDepth) > maxDepth) {
    throw new KernelError('JSON_TOO_DEEP', `${what}: nested deeper than ${maxDepth}`);
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new KernelError('JSON_INVALID', `${what}: not JSON`, { cause });
  }
}

/** How deep brackets nest outside of strings; stops counting past `stopAfter`. Runs before JSON.parse, which recurses. */
function deepestNesting(text: string, stopAfter: number): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length && deepest <= stopAfter; index += 1) {
    const character = text[index];
    if (character === '"') index = endOfString(text, index);
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

/** The index of the quote that closes the string opened at `start`, or the text's end. */
function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    if (text[index] === '\\') index += 1;
    else if (text[index] === '"') return index;
  }
  return text.length;
}

/**
 * JSON with object keys sorted by UTF-16 code units and no white space, as RFC 8785 (JCS) orders them: equal values,
 * equal text. (TUF metadata has its own canonical form, OLPC's; see trust-root.)
 * @throws KernelError `JSON_INVALID` for a number that is not finite.
 */
export function canonicalJson(value: JsonValue): string {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new KernelError('JSON_INVALID', 'canonical JSON has no form for a number that is not finite');
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}

function isArray(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}
