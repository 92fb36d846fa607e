import { writeFile } from 'node:fs/promises';

import { ensureBinaries } from '../../../scripts/lab/build-binaries.ts';
import { archiveSpots, withFlippedBit } from './archive-spots.ts';
import { installWords } from './install-proofs.ts';
import { differences, resourceVersions } from './objects.ts';
import type { Proof } from './proofs.ts';
import { EXECUTABLE, sealift } from './site.ts';
import { releaseFingerprint, writeApplianceConfig, writeBundleConfig } from './site-files.ts';

/** Exit code of what is refused because it does not verify (docs/exit-codes.md). */
const REFUSED = 3;

/** The archive: made on the connected side, and refused on the site when a single bit of it differs. */
export const bundleProofs: readonly Proof[] = [
  {
    id: '0-bundle',
    title: 'the connected side makes a bundle of everything that a site needs',
    prove: async (t, world) => {
      const { lab, files, connected } = world;
      const helm = (await ensureBinaries(['helm'])).get('helm') ?? '';
      await writeBundleConfig(files, connected, { helm, executable: EXECUTABLE });
      await writeApplianceConfig(files);
      const where = { where: 'connected' } as const;
      const words = ['bundle', 'keygen', '--output', files.releaseKey, '--passphrase-file', files.passphrase];
      await writeFile(`${files.releaseKey}.fingerprint`, (await sealift(lab, words, where)).stdout);
      const started = Date.now();
      await sealift(lab, ['bundle', 'create', '--config', files.bundleConfig, '--output', files.bundle], where);
      world.measured.set('bundle create', `${((Date.now() - started) / 1000).toFixed(1)} s`);
      const { stdout } = await sealift(lab, ['bundle', 'inspect', files.bundle]);
      for (const { reference } of connected.applications) t.true(stdout.includes(reference), reference);
    },
  },
  {
    id: '1-tampered',
    title: 'a bit that is flipped anywhere in the bundle is refused before anything changes on the site',
    needs: ['0-bundle'],
    prove: async (t, world) => {
      const { lab, files } = world;
      const verify = ['bundle', 'verify', files.bundle, '--trust-key', await releaseFingerprint(files)];
      const before = await resourceVersions(lab);
      for (const { what, offset } of await archiveSpots(files.bundle)) {
        await withFlippedBit(files.bundle, offset, async () => {
          const verified = await sealift(lab, verify, { allow: 'any' });
          t.is(verified.code, REFUSED, `bundle verify, ${what}: ${verified.stderr}`);
          const installed = await sealift(lab, await installWords(world), { allow: 'any' });
          t.is(installed.code, REFUSED, `install, ${what}: ${installed.stderr}`);
        });
      }
      t.deepEqual(differences(before, await resourceVersions(lab)), []);
      await sealift(lab, verify);
    },
  },
  {
    id: '1-stranger',
    title: 'a bundle that another key signed is refused',
    needs: ['0-bundle'],
    prove: async (t, world) => {
      const { lab, files } = world;
      const stranger = `sha256:${'0'.repeat(64)}`;
      const foreign = await sealift(lab, ['bundle', 'verify', files.bundle, '--trust-key', stranger], { allow: 'any' });
      t.is(foreign.code, REFUSED, foreign.stderr);
    },
  },
];
