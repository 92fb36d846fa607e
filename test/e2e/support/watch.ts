import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { enterLab, type LabState } from '../../../scripts/lab/lab.ts';

/** What `kubectl get --watch` has told so far. */
export interface Watch {
  /** Every state of every object, in the order in which the API server told them. */
  readonly seen: readonly unknown[];
  stop(): Promise<void>;
}

/** Starts to watch objects at the operator's host; `args` are those of `kubectl get`. */
export function watchObjects(lab: LabState, args: readonly string[]): Watch {
  const kubectl = [lab.binaries['kubectl'] ?? 'kubectl', `--kubeconfig=${lab.kubeconfig}`];
  const [command, ...words] = [...enterLab(lab, 'operator'), ...kubectl, 'get', ...args, '-o', 'json', '--watch'];
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const seen: unknown[] = [];
  let lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    // Each document is printed with indentation, so only its own end stands alone.
    if (line !== '}') return;
    seen.push(JSON.parse(lines.join('\n')));
    lines = [];
  });
  return {
    seen,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}
