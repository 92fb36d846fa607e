import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { captureUpstream } from '../../trust-root/capsule.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import { writeFileAtomic } from '../kernel/atomic-file.ts';
import { digestOf } from '../kernel/digest.ts';
import type { Runtime } from '../runtime.ts';
import { readInput } from '../trust/read-inputs.ts';

/** `sealift trust capture`: an upstream's trust as a capsule, on the connected side. */
export function trustCaptureCommand(runtime: Runtime) {
  return new Command('capture')
    .description("follow an upstream's TUF repository and keep its trust, with all its evidence, in one file")
    .argument('<url>', "the repository's URL, e.g. https://tuf-repo-cdn.sigstore.dev")
    .requiredOption('--domain <name>', 'name of the trust domain, e.g. sigstore.dev')
    .requiredOption('--root <file>', 'a root of that repository which you trust')
    .requiredOption('--out <file>', 'where the capsule goes')
    .option('--ca <file>', "PEM certificates that the server's must chain to; the system's unless told")
    .action(async (address, { domain, root, out, ca }) => {
      const inCwd = (file: string): string => path.resolve(runtime.cwd, file);
      const certificates = ca === undefined ? {} : { ca: (await readInput(inCwd(ca))).toString('utf8') };
      const transport = urlTransport(parseUrl(address), { ...certificates, signal: runtime.signal });
      const request = { domain, transport, root: await readInput(inCwd(root)), clock: runtime.clock };
      const capsule = await captureUpstream(request);
      await writeFileAtomic(inCwd(out), capsule);
      runtime.stdout.write(`${domain}: captured, ${capsule.byteLength} bytes, ${digestOf(capsule)}\n`);
    });
}

function parseUrl(text: string): URL {
  if (URL.canParse(text)) return new URL(text);
  throw new TrustRootError('CONFIG_INVALID', `${JSON.stringify(text)}: not a URL`);
}
