import path from 'node:path';

import { Command } from '@commander-js/extra-typings';
import { keyFingerprint } from '../../mirror/inventory-signature.ts';
import { loadBundleConfig } from '../bundle/bundle-config.ts';
import { formatBytes, progressDisplay } from '../bundle/byte-progress.ts';
import { upstreamCapture } from '../bundle/capture-upstream.ts';
import { createdAtFrom, helmForThisMachine } from '../bundle/create-inputs.ts';
import { createSiteBundle } from '../bundle/create-site-bundle.ts';
import { readPassphrase, readReleaseKey } from '../bundle/release-key.ts';
import { helmRenderer } from '../bundle/render-chart.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift bundle create`: collects what `bundle.yaml` names and writes it into one signed archive. */
export function bundleCreateCommand(
  runtime: Runtime,
): Command<[], { config: string; output: string; overwrite?: true }> {
  return new Command('create')
    .description('collect images, evidence, charts, trust and programs into one signed archive')
    .requiredOption('-c, --config <file>', 'what goes in: bundle.yaml')
    .requiredOption('-o, --output <file>', 'the archive')
    .option('--overwrite', 'replace an archive that is there')
    .action(async (options) => {
      const config = await loadBundleConfig(path.resolve(runtime.cwd, options.config));
      const passphrase = await readPassphrase(config.signing.passphrase, runtime.env);
      const signer = await readReleaseKey(config.signing.keyFile, passphrase);
      const tell = (line: string): void => void runtime.stderr.write(`${line}\n`);
      const progress = progressDisplay('written', {
        stream: runtime.stderr,
        isTty: runtime.isTty,
        clock: runtime.clock,
      });
      try {
        const created = await createSiteBundle(path.resolve(runtime.cwd, options.output), config, {
          renderChart: helmRenderer(helmForThisMachine(config), runtime.signal),
          captureUpstream: upstreamCapture(runtime.clock, runtime.signal),
          signer,
          createdAt: createdAtFrom(runtime),
          tell,
          onProgress: (update) => progress.update(update),
          overwrite: options.overwrite === true,
          signal: runtime.signal,
        });
        progress.end();
        const { images } = created.inventory;
        tell(`signed by ${keyFingerprint(signer.publicKey)}`);
        runtime.stdout.write(`${created.path}: ${images.length} images, ${formatBytes(created.bytes)}\n`);
      } finally {
        progress.end();
      }
    });
}
