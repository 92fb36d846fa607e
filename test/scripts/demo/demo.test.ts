import path from 'node:path';

import test from 'ava';
import { execa } from 'execa';

test('the demo refuses the tampered archive, admits what the release workflow signed, and refuses the rest', async (t) => {
  const root = path.resolve(import.meta.dirname, '..', '..', '..');
  const { stdout } = await execa(process.execPath, ['scripts/demo/main.ts'], { cwd: root, timeout: 50_000 });
  t.regex(stdout, /refused, BUNDLE_DIGEST_MISMATCH/);
  const rows = new Map(
    [...stdout.matchAll(/^ {3}(\S+:[\w.]+) {2,}(admitted|refused) .*?(?:\[(\w+)\]|$)/gm)].map((row) => [
      row[1],
      row[3] ?? row[2],
    ]),
  );
  t.deepEqual(Object.fromEntries(rows), {
    'ghcr.io/acme/app:v1': 'admitted',
    'ghcr.io/acme/web:v1': 'admitted',
    'ghcr.io/acme/stranger:v1': 'IDENTITY_MISMATCH',
    'ghcr.io/acme/tampered:v1': 'SIGNATURE_INVALID',
    'ghcr.io/acme/borrowed:v1': 'DIGEST_MISMATCH',
    'ghcr.io/acme/unsigned:v1': 'NO_SIGNATURE',
    'docker.io/library/nginx:1.29': 'DIGEST_UNRESOLVED',
  });
});
