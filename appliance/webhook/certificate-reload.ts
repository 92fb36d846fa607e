import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext } from 'node:tls';

import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import { WebhookError } from './webhook-error.ts';

/** A certificate chain and its key, PEM. */
export interface ServingPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** What takes a new pair: an https server. */
export interface PairHolder {
  setSecureContext(pair: ServingPair): void;
}

/**
 * Reads `tls.crt` and `tls.key` from `folder` (a mounted Secret of type kubernetes.io/tls) and checks that they belong
 * together.
 * @throws WebhookError `CERTIFICATE_INVALID`.
 */
export async function readServingPair(folder: string): Promise<ServingPair> {
  try {
    const cert = await readFile(path.join(folder, 'tls.crt'));
    const key = await readFile(path.join(folder, 'tls.key'));
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    throw new WebhookError('CERTIFICATE_INVALID', `${folder}: no serving certificate with its key`, {
      cause,
      fix: 'look at the Secret that the webhook mounts: it needs tls.crt and tls.key of the same key',
    });
  }
}

/**
 * Gives a server each new certificate without a restart. Compares contents, not times: a Secret's volume changes by a
 * symbolic link further up. A pair that does not fit, as between the two renames of a swap by hand, is passed over and
 * the old one served on.
 */
export class CertificateReload {
  readonly #folder: string;
  readonly #holder: PairHolder;
  readonly #log: Log;
  #served: string;
  #complaint = '';

  /** @param served the pair that the holder serves already. */
  constructor(source: { folder: string; served: ServingPair }, holder: PairHolder, log: Log) {
    this.#folder = source.folder;
    this.#holder = holder;
    this.#log = log;
    this.#served = fingerprint(source.served);
  }

  /** Looks once; true when a new pair is served from now on. Never fails: what is wrong is logged, once. */
  async look(): Promise<boolean> {
    try {
      const pair = await readServingPair(this.#folder);
      this.#complaint = '';
      const found = fingerprint(pair);
      if (found === this.#served) return false;
      this.#holder.setSecureContext(pair);
      this.#served = found;
      this.#log.info('serving a new certificate', { sha256: found });
      return true;
    } catch (error) {
      const complaint = describeError(error);
      if (complaint !== this.#complaint) this.#log.error('the new certificate is not served', { error: complaint });
      this.#complaint = complaint;
      return false;
    }
  }
}

function fingerprint({ cert, key }: ServingPair): string {
  return createHash('sha256').update(cert).update('\n').update(key).digest('hex');
}
