import { RE2JS } from 're2js';

/** A pattern from a policy, run by RE2: linear in the text, whatever the pattern. */
export interface Pattern {
  readonly source: string;
  /** True when the pattern occurs anywhere in `text`, as Go's `regexp.MatchString` has it. */
  occursIn(text: string): boolean;
}

/** Reads RE2 syntax; nothing when it is malformed. */
export function parsePattern(source: string): Pattern | undefined {
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch {
    return undefined;
  }
  return { source, occursIn: (text) => compiled.matcher(text).find() };
}

/** True when the pattern is tied to both ends of the text, so that it can't match inside of something longer. */
export function isAnchored(source: string): boolean {
  const starts = source.startsWith('^') || source.startsWith('\\A');
  const ends = (source.endsWith('$') && !source.endsWith('\\$')) || source.endsWith('\\z');
  // `^a|b$` is anchored in neither branch.
  return starts && ends && !source.includes('|');
}
