import { cp, readdir, readFile, readlink, rm, symlink, truncate } from 'node:fs/promises';
import path from 'node:path';

import { kubectl, runIn } from '../../../scripts/lab/lab.ts';
import { NODE_NAMES, type NodeName } from '../../../scripts/lab/layout.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { makeForeignGeneration } from './foreign-generation.ts';
import { generationOf, lookAtNode, type NodeStand, nodeToBe, requestScan } from './node-trust.ts';
import { field, remove, rolledOut } from './objects.ts';
import type { Proof } from './proofs.ts';
import { scaledDown } from './scale.ts';
import { sealift } from './site.ts';
import { pushSiteImage } from './site-images.ts';
import type { World } from './world.ts';

const NODE: NodeName = 'node-1';
const STATE = '/var/lib/sealift';
const REPOSITORY = ['-n', 'sigstore-system', 'configmap', '-l', 'sealift.dev/tuf-repository=site'] as const;
const CONTROLLER = ['sealift-system', 'deployment/sealift-controller'] as const;
/** An agent looks at everything again at least every minute. */
const PATIENCE_MS = 120_000;

function onDisk({ lab }: World, ...parts: string[]): string {
  const dir = lab.nodes.find(({ name }) => name === NODE)?.sealiftDir ?? '';
  return path.join(dir, ...parts);
}

/** The name of the ConfigMap that holds a file of the TUF repository, and its content. */
async function timestampMap({ lab }: World): Promise<{ name: string; content: string }> {
  const query = '{range .items[*]}{.metadata.annotations.sealift\\.dev/tuf-name} {.metadata.name}{"\\n"}{end}';
  const { stdout } = await kubectl(lab, ['get', ...REPOSITORY, '-o', `jsonpath=${query}`]);
  const line = stdout.split('\n').find((text) => text.startsWith('timestamp.json '));
  const name = line?.split(' ')[1] ?? '';
  const content = await field(lab, ['-n', 'sigstore-system', 'configmap', name], '{.binaryData.gz}');
  return { name, content };
}

async function setTimestamp({ lab }: World, name: string, content: string): Promise<void> {
  const patch = JSON.stringify({ binaryData: { gz: content } });
  await kubectl(lab, ['-n', 'sigstore-system', 'patch', 'configmap', name, '--type=merge', `--patch=${patch}`]);
}

/** Makes the site publish something new. @returns the number that every node has by then. */
export async function publishSomething(world: World, name: string): Promise<number> {
  const before = generationOf(await lookAtNode(world, NODE));
  await pushSiteImage(world, name);
  await requestScan(world);
  let number = 0;
  for (const node of NODE_NAMES) {
    const isNewer = (stand: NodeStand) => generationOf(stand) > before;
    number = generationOf(await nodeToBe(world, node, { what: 'newer', timeoutMs: PATIENCE_MS, is: isNewer }));
  }
  return number;
}

/** The agent's pod on the node. */
async function agentPod({ lab }: World): Promise<string> {
  const selector = ['-l', 'app.kubernetes.io/component=agent', `--field-selector=spec.nodeName=${NODE}`];
  return await field(lab, ['-n', 'sealift-system', 'pods', ...selector], '{.items[0].metadata.name}');
}

/** `kill -9` of the agent on the node; kubelet starts it again. */
async function killAgent(world: World): Promise<void> {
  const pod = await agentPod(world);
  const query = '{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}';
  const look = async () => (await field(world.lab, ['-n', 'sealift-system', 'pod', pod], query)).split(' ');
  const [container = '', restarts = '0'] = await look();
  const task = container.replace('containerd://', '');
  await runIn(world.lab, NODE, ['ctr', '-n', 'k8s.io', 'tasks', 'kill', '--signal', 'SIGKILL', task]);
  await waitUntil('the agent to be started again', {
    timeoutMs: 60_000,
    probe: async () => Number((await look())[1]) > Number(restarts),
  });
}

/** What lies on the node verifies from its pinned root. */
async function verifiesOnDisk({ lab }: World): Promise<void> {
  await sealift(lab, ['trust', 'verify', STATE], { where: NODE });
}

/** What someone does to a node's trust, and what the node says to it. */
export const trustAttackProofs: readonly Proof[] = [
  {
    id: '7-replay',
    title: 'a TUF repository that is put back to an older state is refused and reported by every node',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const old = await timestampMap(world);
      const number = await publishSomething(world, 'replayed');
      const { content } = await timestampMap(world);
      t.not(content, old.content);
      await scaledDown(world, [CONTROLLER], async () => {
        await setTimestamp(world, old.name, old.content);
        for (const node of NODE_NAMES) {
          const refused = ({ report }: NodeStand) => report?.reason === 'UpdateRefused';
          const stand = await nodeToBe(world, node, { what: 'refusing', timeoutMs: PATIENCE_MS, is: refused });
          t.is(generationOf(stand), number, node);
          t.true(stand.synced, node);
        }
        await setTimestamp(world, old.name, content);
        const synced = ({ report }: NodeStand) => report?.reason === 'Synced';
        for (const node of NODE_NAMES) {
          await nodeToBe(world, node, { what: 'synced', timeoutMs: PATIENCE_MS, is: synced });
        }
      });
    },
  },
  {
    id: '7-torn',
    title: 'a file that a crash tore is noticed, the last good generation stays, and the node heals itself',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const number = generationOf(await lookAtNode(world, NODE));
      const current = onDisk(world, 'current');
      const metadata = path.join(path.dirname(current), await readlink(current), 'metadata', 'timestamp.json');
      await truncate(metadata, 100);
      await killAgent(world);
      const stand = await nodeToBe(world, NODE, {
        what: 'telling of the torn file',
        timeoutMs: PATIENCE_MS,
        is: ({ report }) => /refused on disk.*timestamp/.test(report?.detail ?? '') && report?.reason === 'Synced',
      });
      t.true(generationOf(stand) >= number);
      await verifiesOnDisk(world);
    },
  },
  {
    id: '7-foreign',
    title: 'a foreign generation that is laid on a node is refused and reported, and the last good one stays',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const number = generationOf(await lookAtNode(world, NODE));
      const current = onDisk(world, 'current');
      const [link, foreign] = [await readlink(current), 'generations/000000000099'];
      await cp(await makeForeignGeneration(world), onDisk(world, foreign), { recursive: true });
      try {
        await rm(current);
        await symlink(foreign, current);
        const stand = await nodeToBe(world, NODE, {
          what: 'telling of the foreign generation',
          timeoutMs: PATIENCE_MS,
          is: ({ report }) => report?.detail?.includes('PINNED_ROOT_DIFFERS') === true,
        });
        t.is(generationOf(stand), number);
        await waitUntil('the link to lead to a good generation again', {
          timeoutMs: PATIENCE_MS,
          probe: async () => (await readlink(current)) !== foreign,
        });
        t.is(path.basename(await readlink(current)).slice(0, 12), path.basename(link).slice(0, 12));
        await verifiesOnDisk(world);
      } finally {
        await rm(onDisk(world, foreign), { recursive: true, force: true });
      }
    },
  },
  {
    id: '7-full',
    title: 'with a full disk the last good generation stays and is reported; with space again the node follows',
    needs: ['3-sign'],
    prove: async (t, world) => {
      await onSmallDisk(world, async () => {
        const number = generationOf(await lookAtNode(world, NODE));
        await runIn(world.lab, NODE, {
          argv: ['dd', 'if=/dev/zero', `of=${STATE}/filler`, 'bs=4096'],
          allow: [1],
        });
        await pushSiteImage(world, 'full');
        await requestScan(world);
        const full = await nodeToBe(world, NODE, {
          what: 'telling of the full disk',
          timeoutMs: PATIENCE_MS,
          is: ({ report }) => report?.reason === 'DiskFull',
        });
        t.is(generationOf(full), number);
        t.true(full.synced);
        await runIn(world.lab, NODE, ['rm', `${STATE}/filler`]);
        const newer = ({ report }: NodeStand) =>
          report?.reason === 'Synced' && (report.generation?.number ?? 0) > number;
        await nodeToBe(world, NODE, { what: 'synced', timeoutMs: PATIENCE_MS, is: newer });
        await verifiesOnDisk(world);
      });
      t.true((await readdir(onDisk(world))).includes('current'));
      t.truthy(await readFile(onDisk(world, 'root.json')));
    },
  },
];

/** Puts the node's state onto a small disk of its own while `work` runs, and restarts the agent on either side. */
async function onSmallDisk(world: World, work: () => Promise<void>): Promise<void> {
  const { lab } = world;
  const restart = async () => {
    await remove(lab, 'sealift-system', 'pod', await agentPod(world));
    await rolledOut(lab, 'sealift-system', 'daemonset/node-agent');
    const synced = ({ report }: NodeStand) => report?.reason === 'Synced';
    await nodeToBe(world, NODE, { what: 'synced', timeoutMs: PATIENCE_MS, is: synced });
  };
  const spare = `/run/small-disk-${world.lab.name}`;
  const script = [
    'mkdir -p "$1"',
    'mount -t tmpfs -o size=$(( $(du -sk "$0" | cut -f1) + 2048 ))k tmpfs "$1"',
    'cp -a "$0"/. "$1"',
    'mount --bind "$1" "$0"',
  ].join(' && ');
  await runIn(lab, NODE, ['bash', '-c', script, STATE, spare]);
  try {
    await restart();
    await work();
  } finally {
    await runIn(lab, NODE, ['umount', '--lazy', STATE, spare]);
    await runIn(lab, NODE, ['rmdir', spare]);
    await restart();
  }
}
