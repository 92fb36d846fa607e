import { describeError } from '../appliance/kernel/coded-error.ts';
import { parseJson } from '../appliance/kernel/json.ts';
import { TrustRootError, type TrustRootErrorCode } from './trust-root-error.ts';

/** Limits of {@link parseStrictJson}. */
export interface StrictJsonOptions {
  readonly maxBytes: number;
  readonly code: TrustRootErrorCode;
}

/**
 * Parses signed JSON from outside: bounded, UTF-8, and no member twice in one object. JSON.parse takes the last of two
 * equal members and other parsers the first, so a signed document with two could mean two things.
 * @throws TrustRootError with `options.code`.
 */
export function parseStrictJson(bytes: Uint8Array, what: string, options: StrictJsonOptions): unknown {
  try {
    const value = parseJson(bytes, what, { maxBytes: options.maxBytes, maxDepth: 32 });
    const repeated = repeatedMember(Buffer.from(bytes).toString('utf8'));
    if (repeated === undefined) return value;
    throw new TrustRootError(
      options.code,
      `${what}: the member ${JSON.stringify(repeated.slice(0, 80))} is there twice`,
    );
  } catch (cause) {
    if (cause instanceof TrustRootError) throw cause;
    throw new TrustRootError(options.code, describeError(cause), { cause });
  }
}

/** The first member name that an object of the valid JSON `text` has twice. */
function repeatedMember(text: string): string | undefined {
  // One entry for each open bracket: the names of an object, or nothing for an array.
  const open: (Set<string> | undefined)[] = [];
  let expectsName = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    if (character === '"') {
      const end = endOfString(text, index);
      const name = expectsName ? (JSON.parse(text.slice(index, end + 1)) as string) : undefined;
      if (name !== undefined && isRepeated(open.at(-1), name)) return name;
      expectsName = false;
      index = end;
    } else if (OPENING.has(character)) {
      open.push(character === '{' ? new Set() : undefined);
      expectsName = character === '{';
    } else if (CLOSING.has(character)) open.pop();
    else if (character === ',') expectsName = open.at(-1) !== undefined;
  }
  return undefined;
}

const OPENING: ReadonlySet<string | undefined> = new Set(['{', '[']);
const CLOSING: ReadonlySet<string | undefined> = new Set(['}', ']']);

function isRepeated(names: Set<string> | undefined, name: string): boolean {
  if (names?.has(name) === true) return true;
  names?.add(name);
  return false;
}

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index;
}
