import { run } from '../lab/program.ts';
import { debianFiles } from './debian-files.ts';
import type { LayerEntry } from './layer.ts';
import { link, program } from './layer-files.ts';

/** busybox in `/bin`, with a link for each of its applets and `/usr/bin/env`, as the official image has. */
export async function busyboxLayer(): Promise<LayerEntry[]> {
  const [root = ''] = await debianFiles(['busybox-static']);
  const file = `${root}/bin/busybox`;
  const { stdout } = await run([file, '--list']);
  const applets = stdout
    .trim()
    .split('\n')
    .filter((name) => name !== 'busybox');
  const links = applets.map((name) => link(`bin/${name}`, '/bin/busybox'));
  return [await program('bin/busybox', file), ...links, link('usr/bin/env', '/bin/busybox')];
}
