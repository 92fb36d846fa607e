import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { kubectl, type LabState, runIn } from '../../../scripts/lab/lab.ts';
import { PROJECT } from './site.ts';

const NAMESPACES = ['sigstore-system', 'sealift-system', 'shop', 'build', 'kube-system'];
const QUESTIONS: Readonly<Record<string, readonly string[]>> = {
  'objects.txt': ['get', 'all,pvc,cm,secret,lease,cip', '-A', '-o', 'wide'],
  'nodes.yaml': ['get', 'nodes', '-o', 'yaml'],
  'nodes.txt': ['describe', 'nodes'],
  'events.txt': ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
  'admission.yaml': ['get', 'validatingwebhookconfigurations,mutatingwebhookconfigurations', '-o', 'yaml'],
};

/**
 * Writes what the cluster and its nodes have to say into `build/e2e-logs/<lab>/<id>`; what can't be had is left out.
 * @returns the folder.
 */
export async function collectLogs(lab: LabState, id: string): Promise<string> {
  const folder = path.join(PROJECT, 'build', 'e2e-logs', lab.name, id);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const ask = async (file: string, args: readonly string[]): Promise<void> => {
    const { stdout, stderr } = await kubectl(lab, args, { allow: 'any', timeoutMs: 30_000 });
    await writeFile(path.join(folder, file), `${stdout}${stderr}`);
  };
  const jobs = Object.entries(QUESTIONS).map(([file, args]) => ask(file, args));
  for (const namespace of NAMESPACES) jobs.push(ask(`describe-${namespace}.txt`, ['-n', namespace, 'describe', 'all']));
  await Promise.allSettled(jobs);
  await Promise.allSettled([podLogs(lab, ask), ...lab.nodes.map(({ name }) => nodeFacts(lab, name, folder))]);
  return folder;
}

type Ask = (file: string, args: readonly string[]) => Promise<void>;

async function podLogs(lab: LabState, ask: Ask): Promise<void> {
  const query = '{range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}';
  const { stdout } = await kubectl(lab, ['get', 'pods', '-A', '-o', `jsonpath=${query}`], { allow: 'any' });
  for (const line of stdout.trim().split('\n')) {
    const [namespace, pod] = line.split(' ');
    if (namespace === undefined || pod === undefined || !NAMESPACES.includes(namespace)) continue;
    const words = ['-n', namespace, 'logs', pod, '--all-containers', '--prefix', '--tail=400'];
    await ask(`pod-${namespace}-${pod}.log`, words);
    await ask(`pod-${namespace}-${pod}.previous.log`, [...words, '--previous']);
  }
}

async function nodeFacts(lab: LabState, name: 'node-1' | 'node-2', folder: string): Promise<void> {
  const script =
    'ctr -n k8s.io images ls; ls -laR /var/lib/sealift /etc/containerd; df -h; tail -n 300 "$0"/log/$1*.log';
  const { stdout, stderr } = await runIn(lab, name, {
    argv: ['bash', '-c', script, lab.dir, name],
    allow: 'any',
    timeoutMs: 30_000,
  });
  await writeFile(path.join(folder, `${name}.txt`), `${stdout}${stderr}`);
}
