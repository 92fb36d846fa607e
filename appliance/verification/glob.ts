/**
 * Image globs of ClusterImagePolicy: `**` is any text, `*` any text without `/`, everything else itself; the whole
 * name must match. `*` alone stands for `index.docker.io/library/*`, and one `*` on each side of a `/` for two components below `index.docker.io`.
 */
export interface Glob {
  readonly text: string;
  matches(name: string): boolean;
}

const CHARSET = /^[a-zA-Z0-9\-_:/*.@]+$/;
const MAX_GLOB = 1024;

/** Reads a glob; nothing when it has characters that a glob can't have. */
export function parseGlob(text: string): Glob | undefined {
  if (text.length > MAX_GLOB || !CHARSET.test(text)) return undefined;
  const pieces = piecesOf(expanded(text));
  return { text, matches: (name) => matchesPieces(pieces, name) };
}

function expanded(text: string): string {
  if (text === '*') return 'index.docker.io/library/*';
  return text === '*/*' ? 'index.docker.io/*/*' : text;
}

const ANY = Symbol('**');
const ANY_IN_COMPONENT = Symbol('*');
type Piece = string | typeof ANY | typeof ANY_IN_COMPONENT;

function piecesOf(glob: string): Piece[] {
  // Left to right as upstream's replacement does: `***` is `**` and `*`.
  return glob
    .split(/(\*\*|\*)/)
    .filter((part) => part !== '')
    .map((part) => (part === '**' ? ANY : part === '*' ? ANY_IN_COMPONENT : part));
}

/** All positions that can be reached in `name` after each piece: linear in name × pieces, whatever the glob. */
function matchesPieces(pieces: readonly Piece[], name: string): boolean {
  let reached = new Set([0]);
  for (const piece of pieces) {
    const next = new Set<number>();
    if (typeof piece === 'string') {
      for (const at of reached) if (name.startsWith(piece, at)) next.add(at + piece.length);
    } else {
      spread(reached, next, { name, stopsAtSlash: piece === ANY_IN_COMPONENT });
    }
    if (next.size === 0) return false;
    reached = next;
  }
  return reached.has(name.length);
}

function spread(
  from: ReadonlySet<number>,
  to: Set<number>,
  { name, stopsAtSlash }: { name: string; stopsAtSlash: boolean },
): void {
  let open = false;
  for (let at = 0; at <= name.length; at += 1) {
    if (from.has(at)) open = true;
    if (open) to.add(at);
    if (stopsAtSlash && name[at] === '/') open = false;
  }
}
