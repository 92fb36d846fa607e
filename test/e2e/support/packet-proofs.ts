import { outsidePackets, sendOutside } from '../../../scripts/lab/lab.ts';
import { SITE_PLACES } from '../../../scripts/lab/layout.ts';
import type { Proof } from './proofs.ts';

/** What left the cluster. */
export const packetProofs: readonly Proof[] = [
  {
    id: '8-packets',
    title: 'not one packet left for an address outside the cluster, and the counter would have seen it',
    prove: async (t, world) => {
      const { lab, measured, outsideBefore } = world;
      const { packets, byPlace } = await outsidePackets(lab);
      measured.set('packets for outside', String(packets - outsideBefore));
      t.is(packets, outsideBefore, JSON.stringify(byPlace));
      for (const place of SITE_PLACES) {
        const before = (await outsidePackets(lab)).packets;
        await sendOutside(lab, place);
        world.outsideBefore = (await outsidePackets(lab)).packets;
        t.is(world.outsideBefore, before + 1, place);
      }
    },
  },
];
