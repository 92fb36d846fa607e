import type { BinaryPin } from './pins.ts';

/** Name of the throw-away module around an upstream module. */
const WRAPPER = 'sealift.invalid/lab-build';

interface Replacement {
  readonly path: string;
  readonly target: string;
}

/**
 * The go.mod of a module that builds `pin`: upstream's own go.mod under another name, requiring upstream at the pinned
 * version. So it has the dependency versions that upstream's release has, and keeps its `replace` lines, which
 * `go install package@version` refuses.
 *
 * A replacement by a folder of upstream's repository can't be kept. When upstream requires that sibling at `v0.0.0`,
 * `pin.siblingVersion` stands in; else the sibling's required version is right, and the line is dropped.
 */
export function wrapperGoMod(upstreamGoMod: string, pin: BinaryPin): string {
  const lines = upstreamGoMod
    .replaceAll(/^(tool|retract|ignore) \([^)]*\)$/gm, '')
    .split('\n')
    .filter((line) => !/^\s*(toolchain|tool|retract|ignore)\s/.test(line))
    .map((line) => line.replace(/^module\s+\S+/, `module ${WRAPPER}`));
  const kept: string[] = [];
  for (const line of lines) {
    const replacement = folderReplacement(line);
    if (replacement === undefined) kept.push(line);
    else if (isUnversioned(lines, replacement.path) && pin.siblingVersion !== undefined) {
      kept.push(line.replace(/=>.*$/, `=> ${replacement.path} ${pin.siblingVersion}`));
    }
  }
  return `${kept.join('\n').trimEnd()}\n\nrequire ${pin.module} ${pin.version}\n`;
}

function folderReplacement(line: string): Replacement | undefined {
  const match = /^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\.\.?\/\S*)/.exec(line);
  const [, path, target] = match ?? [];
  return path === undefined || target === undefined ? undefined : { path, target };
}

function isUnversioned(lines: readonly string[], modulePath: string): boolean {
  return lines.some((line) =>
    line
      .trim()
      .replace(/^require\s+/, '')
      .startsWith(`${modulePath} v0.0.0`),
  );
}

/** The `-ldflags` value for `pin`: no symbol table, plus the symbols that the pin sets. */
export function linkerFlags(pin: BinaryPin): string {
  const symbols = Object.entries(pin.symbols ?? {}).map(([key, value]) => `-X ${key}=${value}`);
  return ['-s -w', ...symbols].join(' ');
}
