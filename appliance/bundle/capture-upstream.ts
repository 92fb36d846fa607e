import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { captureUpstream } from '../../trust-root/capsule.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import type { Clock } from '../kernel/clock.ts';
import { parseJson } from '../kernel/json.ts';
import { BundleError } from './bundle-error.ts';
import type { CaptureUpstream } from './create-site-bundle.ts';

const MAX_CAPSULE_BYTES = 32 * 1024 * 1024;
const capturedSchema = z.object({ capturedAt: z.string() });

/**
 * Captures the trust of upstream instances from their TUF repositories, each from the root that the configuration pins.
 * The time of capture goes into the signed inventory: the site checks the capsule as of then.
 */
export function upstreamCapture(clock: Clock, signal?: AbortSignal): CaptureUpstream {
  return async ({ domain, url, root, caFile }) => {
    const pinned = await readFile(root).catch((cause: unknown) => {
      throw new BundleError('CONFIG_INVALID', `upstream ${domain}: ${root} can't be read`, { cause });
    });
    const transport = urlTransport(new URL(url), {
      ...(caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') }),
      ...(signal === undefined ? {} : { signal }),
    });
    const bytes = await captureUpstream({ domain, transport, root: pinned, clock });
    const captured = parseJson(bytes, `capsule of ${domain}`, { maxBytes: MAX_CAPSULE_BYTES });
    return { bytes, metadata: { capturedAt: capturedSchema.parse(captured).capturedAt } };
  };
}
