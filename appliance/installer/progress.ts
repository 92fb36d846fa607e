import type { Writable } from 'node:stream';

import { Listr } from 'listr2';

import type { Tell } from './step.ts';

/** Something that is done and told about. */
export interface ProgressItem {
  readonly title: string;
  /** Does it, and tells what happens. */
  readonly run: (tell: Tell) => Promise<'done' | 'unchanged'>;
}

/** Where progress goes. */
export interface ProgressOptions {
  /** True draws on a terminal; false writes plain lines, one for each item and each thing it tells. */
  readonly isTty: boolean;
  readonly output: Writable;
  /** Milliseconds that only go forward. */
  readonly monotonic?: () => number;
}

/** Runs items one after the other and shows how far they are; stops at the first that fails, and throws its error. */
export async function runWithProgress(items: readonly ProgressItem[], options: ProgressOptions): Promise<void> {
  if (options.isTty && isWideEnough(options.output)) await draw(items, options);
  else await writeLines(items, options);
}

/** Serial consoles often don't tell their width, or tell zero: drawing would break every line. */
function isWideEnough(output: Writable): boolean {
  const { columns } = output as { columns?: unknown };
  return typeof columns === 'number' && columns >= 60;
}

async function draw(items: readonly ProgressItem[], { output }: ProgressOptions): Promise<void> {
  const kept: string[] = [];
  const list = new Listr(
    items.map(({ title, run }) => ({
      title,
      task: async (_context: unknown, task: { output: string; skip: (message: string) => void }) => {
        const outcome = await run((line, keep = false) => {
          task.output = line;
          if (keep) kept.push(line);
        });
        if (outcome === 'unchanged') task.skip(`${title}: as it should be`);
      },
    })),
    {
      concurrent: false,
      exitOnError: true,
      rendererOptions: { collapseErrors: false, showErrorMessage: false },
      registerSignalListeners: false,
    },
  );
  await list.run();
  for (const line of kept) output.write(`${line}\n`);
}

async function writeLines(
  items: readonly ProgressItem[],
  { output, monotonic = () => performance.now() }: ProgressOptions,
): Promise<void> {
  const width = String(items.length).length;
  for (const [index, { title, run }] of items.entries()) {
    const head = `[${String(index + 1).padStart(width)}/${items.length}] ${title}`;
    const start = monotonic();
    let last = '';
    output.write(`${head}\n`);
    const outcome = await run((line) => {
      if (line !== last) output.write(`  ${line}\n`);
      last = line;
    });
    const seconds = ((monotonic() - start) / 1000).toFixed(1);
    output.write(`${head}: ${outcome === 'done' ? `done in ${seconds} s` : 'as it should be'}\n`);
  }
}
