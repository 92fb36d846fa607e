import { z } from 'zod';
import { ADDRESSES } from './layout.ts';

/** By its path: npm puts another program of this name, `@vercel/nft`, into the PATH of its scripts. */
export const NFT = '/usr/sbin/nft';

/** The table that the counters are in. */
export const EDGE_TABLE = 'sealift_edge';
const COUNTER = 'outside_packets';
const DESTINATIONS = 'outside';

/** Packets that were on their way out of the cluster, as one namespace's edge saw them. */
export interface EdgeCount {
  readonly packets: number;
  /** Whose packets, and to where; the first 512 pairs. */
  readonly flows: readonly { readonly from: string; readonly to: string; readonly packets: number }[];
}

/**
 * The nftables rules that count each packet that a namespace sends or forwards to an address outside the cluster's
 * own ranges. They see it before any other rule can drop or rewrite it.
 */
export function edgeRuleset(): string {
  // 224.0.0.0/24 is for neighbours on the same link, and no router passes it on: a bridge that comes up says hello there.
  const inside = ['127.0.0.0/8', '224.0.0.0/24', ADDRESSES.nodes, ADDRESSES.pods, ADDRESSES.services].join(', ');
  return `table ip ${EDGE_TABLE} {
  counter ${COUNTER} {}
  set ${DESTINATIONS} { type ipv4_addr . ipv4_addr; flags dynamic; size 512; counter; }
  chain count {
    ip daddr { ${inside} } return
    counter name ${COUNTER}
    update @${DESTINATIONS} { ip saddr . ip daddr }
  }
  chain output { type filter hook output priority -300; policy accept; jump count; }
  chain forward { type filter hook forward priority -300; policy accept; jump count; }
}
`;
}

/** The program, and its words, that prints what {@link parseEdgeCount} reads. */
export const EDGE_LIST_ARGV = [NFT, '-j', 'list', 'table', 'ip', EDGE_TABLE] as const;

const element = z.object({
  elem: z.object({
    val: z.object({ concat: z.tuple([z.string(), z.string()]) }),
    counter: z.object({ packets: z.number() }),
  }),
});
const listing = z.object({
  nftables: z.array(
    z.object({
      counter: z.object({ name: z.string(), packets: z.number() }).optional(),
      set: z.object({ name: z.string(), elem: z.array(element).optional() }).optional(),
    }),
  ),
});

/** Reads nft's JSON listing of the edge's table. */
export function parseEdgeCount(json: string): EdgeCount {
  const { nftables } = listing.parse(JSON.parse(json));
  const packets = nftables.find((entry) => entry.counter?.name === COUNTER)?.counter?.packets;
  if (packets === undefined) throw new Error(`no counter ${COUNTER} in nft's answer`);
  const elements = nftables.find((entry) => entry.set?.name === DESTINATIONS)?.set?.elem ?? [];
  const flows = elements.map(({ elem }) => {
    const [from, to] = elem.val.concat;
    return { from, to, packets: elem.counter.packets };
  });
  return { packets, flows };
}
