import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { ensureBinaries } from '../../../scripts/lab/build-binaries.ts';
import { kubectl, runIn } from '../../../scripts/lab/lab.ts';
import type { RunOptions, RunResult } from '../../../scripts/lab/program.ts';
import { field } from './objects.ts';
import type { World } from './world.ts';

/** Where a developer's machine stands: on a node's network, asking the cluster's DNS, trusting the site's CA. */
const WHERE = 'node-1';

/** What a developer of the site was given. */
export interface Developer {
  readonly home: string;
  /** PEM of the site's CA. */
  readonly siteCa: string;
  /** Root v1 of the site's TUF repository. */
  readonly root: string;
  readonly tufUrl: string;
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}

/** A developer's machine on the site, with a home folder of its own. */
export async function developer({ lab, files }: World, name: string): Promise<Developer> {
  const home = path.join(files.folder, `home-${name}`);
  await mkdir(home, { recursive: true });
  const at = (file: string) => path.join(home, file);
  const [siteCa, root, resolv] = [at('site-ca.pem'), at('root.json'), at('resolv.conf')];
  await writeFile(
    siteCa,
    await field(lab, ['-n', 'sealift-system', 'configmap', 'site-ca'], String.raw`{.data.ca\.crt}`),
  );
  await writeFile(root, await readFile(path.join(sealiftFolder(lab.nodes), 'root.json')));
  const dns = await field(lab, ['-n', 'kube-system', 'service', 'kube-dns'], '{.spec.clusterIP}');
  await writeFile(resolv, `nameserver ${dns}\n`);
  const env = [
    `HOME=${home}`,
    'PATH=/usr/bin:/bin',
    `SSL_CERT_FILE=${siteCa}`,
    `NODE_EXTRA_CA_CERTS=${siteCa}`,
    `REQUESTS_CA_BUNDLE=${siteCa}`,
  ];
  // A mount namespace of its own, so that the cluster's DNS is asked by this program only.
  const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const enter = ['unshare', '--mount', '--propagation', 'private', 'bash', '-c', script, resolv];
  return {
    home,
    siteCa,
    root,
    tufUrl: 'https://tuf.sigstore-system.svc.cluster.local',
    run: (argv, options = {}) =>
      runIn(lab, WHERE, { ...options, argv: [...enter, '/usr/bin/env', '-i', ...env, ...argv] }),
  };
}

function sealiftFolder(nodes: World['lab']['nodes']): string {
  return nodes.find(({ name }) => name === WHERE)?.sealiftDir ?? '';
}

/** `crane` at a developer's machine. @returns its output. */
export async function crane(who: Developer, ...words: string[]): Promise<string> {
  const program = (await ensureBinaries(['crane'])).get('crane') ?? 'crane';
  return (await who.run([program, ...words])).stdout.trim();
}

/** `cosign` at a developer's machine. */
export async function cosign(who: Developer, words: readonly string[], options?: RunOptions): Promise<RunResult> {
  const program = (await ensureBinaries(['cosign'])).get('cosign') ?? 'cosign';
  return await who.run([program, ...words], options);
}

/** What a pod said, and how it ended: `Succeeded` or `Failed`. */
export async function podEnd({ lab }: World, namespace: string, pod: string): Promise<{ phase: string; log: string }> {
  const phase = await field(lab, ['-n', namespace, 'pod', pod], '{.status.phase}');
  const words = ['-n', namespace, 'logs', pod, '--all-containers', '--prefix'];
  const { stdout } = await kubectl(lab, words, { allow: 'any' });
  return { phase, log: stdout };
}
