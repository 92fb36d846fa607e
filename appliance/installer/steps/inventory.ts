import { z } from 'zod';

import { releaseDigest } from '../../helm/release-digest.ts';
import { SEALIFT } from '../site-names.ts';
import { DONE, type InstallWorld, missing, type Step } from '../step.ts';

const RELEASE = { name: 'webhook', namespace: SEALIFT };
const guarded = z.looseObject({
  inventory: z.looseObject({ digests: z.array(z.string()).default([]) }).prefault({}),
});

/** The digests that may run in Sealift's own namespaces; `undefined` while nothing guards them. */
async function admittedDigests({ helm }: InstallWorld): Promise<string[] | undefined> {
  const values = await helm.values(RELEASE);
  const digests = values === undefined ? [] : guarded.parse(values).inventory.digests;
  return digests.length === 0 ? undefined : digests;
}

function lackedDigests({ bundle }: InstallWorld, admitted: readonly string[]): string[] {
  return bundle.images.map(({ digest }) => digest as string).filter((digest) => !admitted.includes(digest));
}

/**
 * On an installed site: lets the images of a newer bundle into Sealift's own namespaces, where only the inventory's run,
 * before anything starts one. What the old inventory has stays admitted until the webhook's own step.
 */
export const inventory: Step = {
  id: 'inventory',
  title: "New images may run in Sealift's namespaces",
  look: async (world) => {
    const admitted = await admittedDigests(world);
    if (admitted === undefined) return DONE;
    const lacked = lackedDigests(world, admitted);
    return lacked.length === 0 ? DONE : missing(`${lacked.length} new images`);
  },
  act: async (world, tell) => {
    const values = (await world.helm.values(RELEASE)) ?? {};
    const admitted = (await admittedDigests(world)) ?? [];
    const lacked = lackedDigests(world, admitted);
    const { inventory: present } = guarded.parse(values);
    const release = {
      ...RELEASE,
      chart: await world.bundle.chart(RELEASE.name),
      values: { ...values, inventory: { ...present, digests: [...admitted, ...lacked].sort() } },
    };
    tell(`${lacked.length} new images`);
    await world.helm.deploy(release, await releaseDigest(release));
  },
};
