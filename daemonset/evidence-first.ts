import { createHash } from 'node:crypto';

import { type EvidenceIndex, parseEvidenceIndex } from '../mirror/evidence-index.ts';
import type { TufTransport } from '../trust-root/tuf-transport.ts';

/** The target that lists the site's evidence. */
export const EVIDENCE_INDEX_TARGET = 'site-state/evidence-index.json';

const INDEX_FILE = /^site-state\/([0-9a-f]{64})\.evidence-index\.json$/;

/**
 * A transport that hands an evidence index on only once `take` has brought in all that it names. A client downloads
 * targets before the generation that holds them goes live, so no generation is ever live without its evidence.
 * The hash in the file's name comes from verified metadata; an index that does not match it is handed on unread, for the
 * client to refuse.
 */
export function evidenceFirst(transport: TufTransport, take: (index: EvidenceIndex) => Promise<void>): TufTransport {
  return {
    fetch: async (file) => {
      const bytes = await transport.fetch(file);
      const hash = file.kind === 'target' ? INDEX_FILE.exec(file.path)?.[1] : undefined;
      if (bytes === undefined || hash === undefined) return bytes;
      if (createHash('sha256').update(bytes).digest('hex') === hash) await take(parseEvidenceIndex(bytes));
      return bytes;
    },
  };
}
