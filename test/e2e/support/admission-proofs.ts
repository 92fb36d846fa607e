import { kubectl } from '../../../scripts/lab/lab.ts';
import { NODE_NAMES } from '../../../scripts/lab/layout.ts';
import { type Answer, answerOf, create, ensureNamespace, field, remove, rolledOut } from './objects.ts';
import type { Proof } from './proofs.ts';
import { ENFORCED } from './site-files.ts';
import { admittedImages, refusedImages } from './verdict-cases.ts';
import { KINDS, workload } from './workloads.ts';
import type { World } from './world.ts';

const namespace = ENFORCED;
const GOOD = 'ghcr.io/acme/app:v1';
const PINNED = /@sha256:[0-9a-f]{64}$/;

/** `kubectl debug`: an ephemeral container in a pod that runs. */
async function debug({ lab }: World, pod: string, image: string): Promise<Answer> {
  const words = ['-n', namespace, 'debug', pod, `--image=${image}`, '--', 'sleep', '1'];
  return answerOf(await kubectl(lab, words, { allow: [1] }));
}

/** The images of a workload's running pods as they are pinned, by node. */
async function runningImages({ lab }: World, app: string): Promise<Map<string, string>> {
  const query = '{range .items[*]}{.spec.nodeName} {.spec.containers[0].image} {.status.phase}{"\\n"}{end}';
  const text = await field(lab, ['-n', namespace, 'pods', '-l', `app=${app}`], query);
  const lines = text.split('\n').map((line) => line.split(' '));
  return new Map(lines.filter(([, , phase]) => phase === 'Running').map(([node = '', image = '']) => [node, image]));
}

/** What the API server lets in and what it refuses, with Sealift in its way. */
export const admissionProofs: readonly Proof[] = [
  {
    id: '4-admitted',
    title: 'images with good signatures, from upstream and from the site, run on both nodes, pinned to their digests',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const { lab } = world;
      const images = Object.entries(admittedImages(world));
      for (const [index, [what, image]] of images.entries()) {
        const name = `good-${index}`;
        const { accepted, words } = await create(lab, workload('DaemonSet', { name, namespace, image }));
        t.true(accepted, `${what}: ${words}`);
      }
      for (const [index, [what]] of images.entries()) {
        const name = `good-${index}`;
        await rolledOut(lab, namespace, `daemonset/${name}`);
        const running = await runningImages(world, name);
        t.deepEqual([...running.keys()].sort(), [...NODE_NAMES], what);
        for (const image of running.values()) t.regex(image, PINNED, what);
      }
    },
  },
  {
    id: '4-kinds',
    title: 'a good image is admitted in every kind of workload',
    needs: ['3-sign'],
    prove: async (t, world) => {
      for (const image of Object.values(admittedImages(world))) {
        for (const kind of KINDS) {
          const object = workload(kind, { name: 'kind', namespace, image });
          const { accepted, words } = await create(world.lab, object, '--dry-run=server');
          t.true(accepted, `${kind} of ${image}: ${words}`);
        }
      }
    },
  },
  {
    id: '4-refused',
    title: 'images that don’t verify are refused in every kind of workload, each with its reason',
    needs: ['3-sign'],
    prove: async (t, world) => {
      for (const { what, image, reason } of refusedImages(world)) {
        for (const kind of KINDS) {
          const object = workload(kind, { name: 'bad', namespace, image, main: GOOD });
          const { accepted, words } = await create(world.lab, object);
          t.false(accepted, `${kind}, ${what}`);
          t.regex(words, reason, `${kind}, ${what}`);
        }
      }
      t.is(
        await field(
          world.lab,
          ['-n', namespace, 'pods,deployments,jobs', '-l', 'app=bad'],
          '{.items[*].metadata.name}',
        ),
        '',
      );
    },
  },
  {
    id: '4-debug',
    title: 'kubectl debug brings in a good image, pinned, and no other',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const { lab } = world;
      const pod = 'debugged';
      await remove(lab, namespace, 'pod', pod);
      const { accepted, words } = await create(lab, workload('Pod', { name: pod, namespace, image: GOOD }));
      t.true(accepted, words);
      await kubectl(lab, ['-n', namespace, 'wait', `pod/${pod}`, '--for=condition=Ready', '--timeout=60s']);
      for (const { what, image, reason } of refusedImages(world)) {
        const answer = await debug(world, pod, image);
        t.false(answer.accepted, what);
        t.regex(answer.words, reason, what);
      }
      const good = await debug(world, pod, 'ghcr.io/acme/web:v1');
      t.true(good.accepted, good.words);
      t.regex(await field(lab, ['-n', namespace, 'pod', pod], '{.spec.ephemeralContainers[*].image}'), PINNED);
    },
  },
  {
    id: '4-update',
    title: 'a change that brings in a bad image is refused, and one that brings in none is not held up',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const { lab } = world;
      const name = 'changing';
      await remove(lab, namespace, 'deployment', name);
      t.true((await create(lab, workload('Deployment', { name, namespace, image: GOOD }))).accepted);
      const target = ['-n', namespace, 'set', 'image', `deployment/${name}`];
      const bad = answerOf(await kubectl(lab, [...target, 'main=ghcr.io/acme/unsigned:v1'], { allow: [1] }));
      t.false(bad.accepted);
      t.regex(bad.words, /\[NO_SIGNATURE\]/);
      await kubectl(lab, ['-n', namespace, 'scale', `deployment/${name}`, '--replicas=2']);
      await kubectl(lab, [...target, 'main=ghcr.io/acme/web:v1']);
      await rolledOut(lab, namespace, `deployment/${name}`);
    },
  },
  {
    id: '4-warn',
    title: 'in a namespace that is not enforced a bad image runs, with a warning that says what would be refused',
    needs: ['3-sign'],
    prove: async (t, world) => {
      const { lab } = world;
      await ensureNamespace(lab, 'lenient');
      await remove(lab, 'lenient', 'pod', 'bad');
      const object = workload('Pod', { name: 'bad', namespace: 'lenient', image: 'ghcr.io/acme/unsigned:v1' });
      const { accepted, words } = await create(lab, object);
      t.true(accepted, words);
      t.regex(words, /Warning: sealift would refuse .*NO_SIGNATURE/s);
      await kubectl(lab, ['-n', 'lenient', 'wait', 'pod/bad', '--for=condition=Ready', '--timeout=60s']);
    },
  },
];
