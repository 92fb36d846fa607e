import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { execa } from 'execa';

/**
 * Draws which folder imports which into docs/ARCHITECTURE.md, from the code itself.
 * With `--check` it writes nothing and fails when the picture is not what the code says.
 */
const root = path.resolve(import.meta.dirname, '..');
const page = path.join(root, 'docs', 'ARCHITECTURE.md');
const START = '<!-- layers: drawn by scripts/draw-layers.ts -->';
const END = '<!-- end of layers -->';
const FOLDERS = ['appliance', 'mirror', 'trust-root', 'daemonset'];

interface Cruise {
  readonly modules: readonly {
    readonly source: string;
    readonly dependencies: readonly { readonly resolved: string }[];
  }[];
}

/** The box that a source file lies in: a top-level folder, or a folder of appliance. */
function boxOf(file: string): string | undefined {
  const [top = '', second = '', third] = file.split('/');
  if (!FOLDERS.includes(top)) return undefined;
  if (top !== 'appliance') return top;
  return third === undefined ? 'appliance/cli' : `appliance/${second}`;
}

async function importsBetweenBoxes(): Promise<readonly string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-layers-'));
  try {
    // Into a file: it ends before a pipe has taken all that it wrote.
    const file = path.join(folder, 'modules.json');
    const words = ['--config', '.dependency-cruiser.cjs', '--output-type', 'json', '--output-to', file, ...FOLDERS];
    const depcruise = path.join(root, 'node_modules', '.bin', 'depcruise');
    await execa(process.execPath, [depcruise, ...words], { cwd: root, reject: false });
    return edgesOf(JSON.parse(await readFile(file, 'utf8')) as Cruise);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function edgesOf({ modules }: Cruise): readonly string[] {
  const edges = new Set<string>();
  for (const { source, dependencies } of modules) {
    const from = boxOf(source);
    for (const { resolved } of dependencies) {
      const to = boxOf(resolved);
      // Everything imports the kernel; those arrows would hide the others.
      if (from === undefined || to === undefined || from === to || to === 'appliance/kernel') continue;
      if (from !== 'appliance/kernel' && resolved !== 'appliance/version.ts') edges.add(`  ${id(from)} --> ${id(to)}`);
    }
  }
  return [...edges].sort();
}

function id(box: string): string {
  return `${box.replaceAll(/[^a-z]/g, '_')}[${box}]`;
}

async function main(): Promise<number> {
  const picture = ['```mermaid', 'flowchart TD', ...(await importsBetweenBoxes()), '```'].join('\n');
  const text = await readFile(page, 'utf8');
  const [before, rest] = text.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    console.error(`error: docs/ARCHITECTURE.md has no ${START} … ${END}`);
    return 1;
  }
  const wanted = `${before}${START}\n\n${picture}\n\n${END}${after}`;
  if (wanted === text) return 0;
  if (process.argv.includes('--check')) {
    console.error('error: the picture in docs/ARCHITECTURE.md is not what the code says; next: npm run format');
    return 1;
  }
  await writeFile(page, wanted);
  return 0;
}

process.exitCode = await main();
