import { runCosignPod, signingCommands } from './builder.ts';
import { crane, developer } from './developer.ts';
import { type Answer, create, remove, rolledOut } from './objects.ts';
import { BUILDER, SITE_REGISTRY } from './policies.ts';
import type { Proof } from './proofs.ts';
import { scaledDown, type Workload } from './scale.ts';
import { cosignImage } from './signing-proofs.ts';
import { ENFORCED } from './site-files.ts';
import { pushSiteImage, siteImage } from './site-images.ts';
import { admittedImages, refusedImages } from './verdict-cases.ts';
import { workload } from './workloads.ts';
import type { World } from './world.ts';

/** What goes away, with how many of it there are. */
const SERVICES: readonly Workload[] = [
  ['sigstore-system', 'deployment/rekor'],
  ['sigstore-system', 'deployment/fulcio'],
  ['sigstore-system', 'deployment/ctlog'],
  ['sigstore-system', 'deployment/tuf'],
  ['sealift-system', 'statefulset/registry'],
];
const CONTROLLER = ['sealift-system', 'deployment/sealift-controller'] as const;

/** Ends every webhook, and waits until new ones answer: nothing that they knew is left. */
async function restartWebhooks({ lab }: World): Promise<void> {
  await remove(lab, 'sealift-system', 'pods', '-l', 'app.kubernetes.io/name=webhook');
  await rolledOut(lab, 'sealift-system', 'deployment/webhook');
}

async function judge({ lab }: World, image: string): Promise<Answer> {
  return await create(lab, workload('Pod', { name: 'asked', namespace: ENFORCED, image }), '--dry-run=server');
}

/** Digests of one platform of upstream images: nobody asked about them before. */
async function children(world: World): Promise<Record<'app' | 'web', string>> {
  const who = await developer(world, 'packager');
  const child = async (name: string) => {
    const repository = `ghcr.io/acme/${name}`;
    const words = ['digest', '--platform', 'linux/amd64', `${SITE_REGISTRY}/${repository}:v1`];
    return `${repository}@${await crane(who, ...words)}`;
  };
  return { app: await child('app'), web: await child('web') };
}

/** What the webhooks know when nobody is there to be asked. */
export const outageProofs: readonly Proof[] = [
  {
    id: '5-outage',
    title: 'with Rekor, Fulcio, CT log, TUF and registry gone, new webhooks judge rightly from what was synced',
    needs: ['3-sign', '4-kinds', '4-refused'],
    prove: async (t, world) => {
      const { app, web } = await children(world);
      await scaledDown(world, [CONTROLLER], async () => {
        await pushSiteImage(world, 'late');
        const late = siteImage(world, 'late');
        const pod = { name: 'sign-late', image: cosignImage(world), serviceAccount: BUILDER.serviceAccount };
        await runCosignPod(world, { ...pod, commands: signingCommands(late) });
        const live = await judge(world, late);
        t.true(live.accepted, `with the registry there: ${live.words}`);
        await scaledDown(world, SERVICES, async () => {
          await restartWebhooks(world);
          for (const image of [app, ...Object.values(admittedImages(world))]) {
            const { accepted, words } = await judge(world, image);
            t.true(accepted, `${image}: ${words}`);
          }
          const unsignedChild = { what: 'unsigned child', image: web, reason: /\[NO_SIGNATURE\]/ };
          for (const { image, reason } of [unsignedChild, ...refusedImages(world)]) {
            const { accepted, words } = await judge(world, image);
            t.false(accepted, image);
            t.regex(words, image.startsWith('quay.example/somebody/thing:') ? /\[\w+\]/ : reason, image);
          }
          for (const image of [late, `ghcr.io/acme/app@sha256:${'5'.repeat(64)}`]) {
            const { accepted, words } = await judge(world, image);
            t.false(accepted, image);
            t.regex(words, /\[EVIDENCE_UNAVAILABLE\]/, image);
          }
        });
        const again = await judge(world, late);
        t.true(again.accepted, `with the registry back: ${again.words}`);
      });
    },
  },
];
