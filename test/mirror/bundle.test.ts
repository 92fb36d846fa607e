import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';
import fc from 'fast-check';
import { digestOf } from '../../appliance/kernel/digest.ts';
import { attachmentOfBytes, attachmentOfFile } from '../../mirror/attachment.ts';
import { closureOf } from '../../mirror/closure.ts';
import { createBundle } from '../../mirror/create-bundle.ts';
import { EMPTY_EVIDENCE_INDEX } from '../../mirror/evidence-index.ts';
import { openBundle, openBundleOfAnyKeyUnsafe } from '../../mirror/open-bundle.ts';
import { verifyBundle } from '../../mirror/verify-bundle.ts';
import { collect } from './support/images.ts';
import { bundleWorld, CREATED_AT, contentOf, IMAGES, newSigner, temporaryFolder } from './support/world.ts';

test('a bundle is written, opened and verified, and holds all that the closure names', async (t) => {
  const { file, signer, closure, created } = await bundleWorld(t);
  const reader = await openBundle(file, { trustedKeys: [signer.fingerprint] });
  t.teardown(async () => await reader.close());
  await verifyBundle(reader);
  t.is(reader.signedBy, signer.fingerprint);
  t.deepEqual(reader.inventory, created.inventory);
  t.is(reader.bytes, created.bytes);
  for (const digest of [...closure.manifests.keys(), ...closure.blobs.keys()]) {
    t.is(digestOf(await reader.readBlob(digest)), digest);
  }
  const [chart] = reader.attachments('chart');
  t.is(chart?.name, 'rekor');
  const streamed = await collect(reader.streamBlob(chart?.descriptor.digest ?? digestOf('')));
  t.true(streamed.equals(Buffer.alloc(5000, 'chart')));
  t.true((await collect(reader.streamBlob(digestOf(streamed), 10, 20))).equals(streamed.subarray(10, 20)));
});

test('the same content gives the same bytes', async (t) => {
  const { file, signer, folder, registry } = await bundleWorld(t);
  const again = path.join(folder, 'again.tar');
  const closure = await closureOf(registry.client, IMAGES.toReversed(), { concurrency: 1 });
  await createBundle(again, contentOf(closure), { signer, concurrency: 1 });
  t.true((await readFile(again)).equals(await readFile(file)));
});

test('an ECDSA key signs as well', async (t) => {
  const { file, signer } = await bundleWorld(t, { kind: 'p256' });
  const reader = await openBundle(file, { trustedKeys: [signer.fingerprint] });
  t.teardown(async () => await reader.close());
  await t.notThrowsAsync(verifyBundle(reader));
});

test('a bundle of a key that is not trusted is refused, and its fingerprint told', async (t) => {
  const { file, signer } = await bundleWorld(t);
  const other = newSigner();
  const error = await t.throwsAsync(openBundle(file, { trustedKeys: [other.fingerprint] }), {
    code: 'BUNDLE_UNTRUSTED_KEY',
  });
  t.true(error.message.includes(signer.fingerprint));
  await t.throwsAsync(openBundle(file, { trustedKeys: [] }), { code: 'BUNDLE_UNTRUSTED_KEY' });
  const looked = await openBundleOfAnyKeyUnsafe(file);
  t.is(looked.signedBy, signer.fingerprint);
  await looked.close();
});

test('progress counts every byte and never goes back', async (t) => {
  const { closure, signer, folder } = await bundleWorld(t);
  const seen: number[] = [];
  let total = 0;
  await createBundle(path.join(folder, 'p.tar'), contentOf(closure), {
    signer,
    onProgress: ({ doneBytes, totalBytes }) => {
      seen.push(doneBytes);
      total = totalBytes;
    },
  });
  t.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  t.is(seen.at(-1), total);
});

test('a file that is there is not replaced unless told', async (t) => {
  const { closure, signer, file } = await bundleWorld(t);
  const before = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  await t.throwsAsync(createBundle(file, contentOf(closure), { signer }), { code: 'BUNDLE_EXISTS' });
  t.is(
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex'),
    before,
  );
  await t.notThrowsAsync(createBundle(file, contentOf(closure), { signer, overwrite: true }));
});

test('an interrupted bundle leaves no file', async (t) => {
  const { closure, signer, folder } = await bundleWorld(t);
  const abort = new AbortController();
  const writing = createBundle(path.join(folder, 'x.tar'), contentOf(closure), {
    signer,
    signal: abort.signal,
    onProgress: ({ doneBytes }) => {
      if (doneBytes > 0) abort.abort();
    },
  });
  await t.throwsAsync(writing, { code: 'INTERRUPTED' });
  t.deepEqual(await readdir(folder), ['site.tar']);
});

test('an attachment that changes while the bundle is written is an error', async (t) => {
  const { closure, signer, folder } = await bundleWorld(t);
  const tool = path.join(folder, 'tool');
  await writeFile(tool, 'before');
  const attachment = await attachmentOfFile({ kind: 'helm', name: 'helm', mediaType: 'application/x-elf' }, tool);
  t.is(attachment.attachment.descriptor.digest, digestOf('before'));
  await writeFile(tool, 'after, and longer');
  const content = { ...contentOf(closure), attachments: [attachment] };
  await t.throwsAsync(createBundle(path.join(folder, 'x.tar'), content, { signer }));
  t.deepEqual((await readdir(folder)).sort(), ['site.tar', 'tool']);
});

test('content shared by an attachment and an image lies in the archive once', async (t) => {
  const { closure, signer, folder } = await bundleWorld(t);
  const layer = Buffer.from('shared layer');
  const twice = ['a', 'b'].map((name) => attachmentOfBytes({ kind: 'x', name, mediaType: 'text/plain' }, layer));
  const { inventory } = await createBundle(
    path.join(folder, 'x.tar'),
    { closure, attachments: twice, createdAt: CREATED_AT, sequence: 1 },
    { signer },
  );
  t.is(inventory.members.filter(({ digest }) => digest === digestOf(layer)).length, 1);
});

test('a path that is no bundle is told from one that is not there', async (t) => {
  const { folder, signer } = await bundleWorld(t);
  const trust = { trustedKeys: [signer.fingerprint] };
  await t.throwsAsync(openBundle(path.join(folder, 'none.tar'), trust), { code: 'BUNDLE_NOT_FOUND' });
  await writeFile(path.join(folder, 'empty.tar'), '');
  await t.throwsAsync(openBundle(path.join(folder, 'empty.tar'), trust), { code: 'BUNDLE_TRUNCATED' });
  await writeFile(path.join(folder, 'other.tar'), Buffer.alloc(4096, 'x'));
  await t.throwsAsync(openBundle(path.join(folder, 'other.tar'), trust), { code: 'BUNDLE_MALFORMED' });
});

test('whatever is packed is read back, and another byte is never found in its place', async (t) => {
  const folder = await temporaryFolder(t);
  const signer = newSigner();
  const closure = { images: [], manifests: new Map(), blobs: new Map(), evidence: EMPTY_EVIDENCE_INDEX };
  let runs = 0;
  const contents = fc.uniqueArray(fc.uint8Array({ maxLength: 3000 }), {
    maxLength: 12,
    selector: (bytes) => digestOf(bytes),
  });
  await fc.assert(
    fc.asyncProperty(contents, async (parts) => {
      runs += 1;
      const file = path.join(folder, `${runs}.tar`);
      const attachments = parts.map((bytes, index) =>
        attachmentOfBytes({ kind: 'any', name: String(index), mediaType: 'application/octet-stream' }, bytes),
      );
      await createBundle(file, { closure, attachments, createdAt: CREATED_AT, sequence: runs }, { signer });
      const reader = await openBundle(file, { trustedKeys: [signer.fingerprint] });
      await verifyBundle(reader);
      for (const { attachment } of attachments) {
        const read = await reader.readBlob(attachment.descriptor.digest);
        t.true(read.equals(parts[Number(attachment.name)] ?? Buffer.from('absent')));
      }
      t.is(reader.attachments('any').length, parts.length);
      await reader.close();
    }),
    { numRuns: 40 },
  );
});
