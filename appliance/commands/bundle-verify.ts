import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { openBundle } from '../../mirror/open-bundle.ts';
import { verifyBundle } from '../../mirror/verify-bundle.ts';
import { formatBytes, progressDisplay } from '../bundle/byte-progress.ts';
import { trustedFingerprint } from '../bundle/release-key.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift bundle verify`: checks signature, every byte and completeness; takes nothing out. */
export function bundleVerifyCommand(runtime: Runtime): Command<[string], { trustKey: string[] }> {
  return new Command('verify')
    .description('check the signature, every byte and the completeness of an archive')
    .argument('<file>', 'the archive')
    .requiredOption('--trust-key <key...>', 'whose archives are taken: sha256:… or a public key file')
    .action(async (file, { trustKey }) => {
      const inCwd = (text: string): string => path.resolve(runtime.cwd, text);
      const trustedKeys = await Promise.all(
        trustKey.map(async (key) => await trustedFingerprint(key.startsWith('sha256:') ? key : inCwd(key))),
      );
      const reader = await openBundle(inCwd(file), { trustedKeys });
      const progress = progressDisplay('checked', {
        stream: runtime.stderr,
        isTty: runtime.isTty,
        clock: runtime.clock,
      });
      try {
        await verifyBundle(reader, { onProgress: (update) => progress.update(update), signal: runtime.signal });
        progress.end();
        const { images, createdAt, sequence } = reader.inventory;
        runtime.stdout.write(
          `${reader.path}: sound and whole. ${images.length} images, ${formatBytes(reader.bytes)}, ` +
            `made ${createdAt}, sequence ${sequence}, signed by ${reader.signedBy}\n`,
        );
      } finally {
        progress.end();
        await reader.close();
      }
    });
}
