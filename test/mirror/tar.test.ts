import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import test from 'ava';
import fc from 'fast-check';
import { digestOf } from '../../appliance/kernel/digest.ts';
import { assertPlaced, bodyBytes, placeMembers } from '../../mirror/archive-layout.ts';
import { blobPath, type Inventory } from '../../mirror/inventory.ts';
import { claimedSize, memberBytes, paddingAfter, TAR_BLOCK, tarHeader } from '../../mirror/tar.ts';

test('a header says its size, of any size', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.nat(), fc.maxSafeNat()), (size) => {
      t.is(claimedSize(tarHeader('a', size)), size);
    }),
  );
});

test('members fill whole blocks', (t) => {
  fc.assert(
    fc.property(fc.nat(), (size) => {
      t.is((size + paddingAfter(size)) % TAR_BLOCK, 0);
      t.is(memberBytes(size), TAR_BLOCK + size + paddingAfter(size));
    }),
  );
});

test('tar reads the headers as they are meant, beyond 8 GiB too', async (t) => {
  for (const size of [0, 1, 8 ** 11 - 1, 8 ** 11, 2 ** 40]) {
    const child = promisify(execFile)('tar', ['-tvf', '-', '--numeric-owner']);
    // The content is not there: tar lists the member before it finds out.
    child.child.stdin?.end(tarHeader('blobs/sha256/x', size));
    const { stdout } = await child.catch((error: unknown) => error as { stdout: string });
    t.regex(stdout, new RegExp(`^-rw-r--r-- 0/0 +${size} 1970-01-01 00:00 blobs/sha256/x`));
  }
});

for (const path of ['', 'a b', 'ä', 'x'.repeat(101), 'a\0b']) {
  test(`${JSON.stringify(path.slice(0, 10))} is no member's name`, (t) => {
    t.throws(() => tarHeader(path, 0), { instanceOf: RangeError });
  });
}

const digests = fc.uniqueArray(fc.nat(), { minLength: 0, maxLength: 50 });

test('whatever is placed is where order and sizes leave it, whatever order it came in', (t) => {
  fc.assert(
    fc.property(digests, fc.nat(100_000), (seeds, size) => {
      const blobs = seeds.map((seed) => {
        const digest = digestOf(String(seed));
        return { path: blobPath(digest), digest, size: (size + seed) % 5000 };
      });
      const files = ['index.json', 'oci-layout'].map((path) => ({ path, digest: digestOf(path), size }));
      const members = placeMembers([...blobs, ...files]);
      t.notThrows(() => assertPlaced({ members } as unknown as Inventory));
      t.deepEqual(placeMembers([...members].reverse()), members);
      const last = members.at(-1);
      t.is(bodyBytes(members), (last?.offset ?? 0) + memberBytes(last?.size ?? 0) - TAR_BLOCK + 1024);
    }),
  );
});
