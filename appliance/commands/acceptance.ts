import { readFile } from 'node:fs/promises';

import { Command } from '@commander-js/extra-typings';

import { registryClient } from '../../mirror/registry-client.ts';
import { signAndVerify } from '../installer/acceptance-signing.ts';
import { InstallerError } from '../installer/installer-error.ts';
import { parseImageReference, pinnedReference } from '../kernel/image-reference.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift acceptance`: signs and verifies one image with the site's services, as a developer's pod does. */
export function acceptanceCommand(runtime: Runtime) {
  return new Command('acceptance')
    .description('sign and verify one image with the site itself (runs in the cluster, for sealift install)')
    .requiredOption('--image <reference>', 'the image, by digest')
    .requiredOption('--token-file <file>', 'service-account token with the audience of Fulcio')
    .requiredOption('--fulcio-url <url>', "the site's Fulcio")
    .requiredOption('--rekor-url <url>', "the site's Rekor")
    .requiredOption('--tsa-url <url>', "the site's timestamp authority")
    .requiredOption('--tuf-url <url>', "the site's TUF repository")
    .requiredOption('--root-file <file>', 'root v1')
    .requiredOption('--ca-file <file>', 'PEM of the CA of the registry')
    .requiredOption('--issuer <url>', 'issuer that the signature must name')
    .requiredOption('--identity <uri>', 'subject that the signature must name')
    .action(async (flags) => {
      const reference = parseImageReference(flags.image);
      if (reference.digest === undefined)
        throw new InstallerError('REFUSED', '--image: expected host/repository@sha256:…');
      const client = registryClient({ ca: await readFile(flags.caFile, 'utf8') });
      try {
        await signAndVerify({
          repository: client.repository(reference),
          image: reference.digest,
          token: (await readFile(flags.tokenFile, 'utf8')).trim(),
          services: { fulcio: flags.fulcioUrl, rekor: flags.rekorUrl, tsa: flags.tsaUrl, tuf: flags.tufUrl },
          rootFile: flags.rootFile,
          identity: { issuer: flags.issuer, uri: flags.identity },
        });
        runtime.stdout.write(`signed and verified ${pinnedReference(reference, reference.digest)}\n`);
      } finally {
        await client.close();
      }
    });
}
