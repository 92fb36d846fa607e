import { randomBytes } from 'node:crypto';

import type { ExecutionContext, TestFn } from 'ava';
import { digestOf } from '../../appliance/kernel/digest.ts';
import { MEDIA } from '../../mirror/oci-types.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import type { RepositoryClient } from '../../mirror/registry-port.ts';
import { blobOf, collect, imageOf, indexOf, push, referrerOf, sliceOf } from '../mirror/support/images.ts';

/** A registry under test. */
export interface RegistryUnderTest {
  /** Its base URL; undefined, with the reason, when it can't run here. */
  readonly origin: () => Promise<{ url: string } | { skipped: string }>;
  readonly referrersApi: boolean;
}

/** What every registry that Sealift reads from and writes to must do, seen through Sealift's own client. */
export function registryContract(test: TestFn, name: string, registry: RegistryUnderTest): void {
  const contract = (title: string, body: (world: World) => Promise<void>): void => {
    test(`${name}: ${title}`, async (t) => {
      const origin = await registry.origin();
      if ('skipped' in origin) {
        t.log(`skipped: ${origin.skipped}`);
        t.pass();
        return;
      }
      const client = registryClient({ mirrors: { 'ghcr.io': `${origin.url}/ghcr.io` }, uploadChunkBytes: 64 * 1024 });
      // A repository of its own keeps tests apart on a registry that they share.
      const fresh = (): RepositoryClient =>
        client.repository({ host: 'ghcr.io', repository: `test/${randomBytes(8).toString('hex')}` });
      try {
        await body({ t, fresh });
      } finally {
        await client.close();
      }
    });
  };

  contract('a blob is stored in one piece and read back', async ({ t, fresh }) => {
    const repository = fresh();
    const { descriptor, bytes } = blobOf(randomBytes(10_000));
    t.is(await repository.blobSize(descriptor.digest), undefined);
    await repository.putBlob(descriptor, sliceOf(bytes));
    t.is(await repository.blobSize(descriptor.digest), 10_000);
    t.true((await collect(repository.readBlob(descriptor))).equals(bytes));
  });

  contract('a blob is stored in pieces and read back', async ({ t, fresh }) => {
    const repository = fresh();
    const { descriptor, bytes } = blobOf(randomBytes(200_000));
    await repository.putBlob(descriptor, sliceOf(bytes));
    t.true((await collect(repository.readBlob(descriptor))).equals(bytes));
  });

  contract('an empty blob is a blob', async ({ t, fresh }) => {
    const repository = fresh();
    const { descriptor, bytes } = blobOf('');
    await repository.putBlob(descriptor, sliceOf(bytes));
    t.is((await collect(repository.readBlob(descriptor))).length, 0);
  });

  contract('content of another digest is not stored', async ({ t, fresh }) => {
    const repository = fresh();
    const { descriptor } = blobOf('right');
    await t.throwsAsync(repository.putBlob(descriptor, sliceOf(Buffer.from('wrong'))), { code: 'REGISTRY_STATUS' });
    t.is(await repository.blobSize(descriptor.digest), undefined);
  });

  contract('a blob is taken over from another repository, and not from one that lacks it', async ({ t, fresh }) => {
    const [from, to] = [fresh(), fresh()];
    const { descriptor, bytes } = blobOf(randomBytes(1000));
    await from.putBlob(descriptor, sliceOf(bytes));
    t.true(await to.mountBlob(descriptor.digest, from.endpoint));
    t.is(await to.blobSize(descriptor.digest), 1000);
    t.false(await to.mountBlob(digestOf('nowhere'), from.endpoint));
  });

  contract('a manifest is found by tag and by digest, byte for byte', async ({ t, fresh }) => {
    const repository = fresh();
    const image = imageOf('layer');
    await push(repository, image, 'v1');
    const { digest } = image.manifest.descriptor;
    for (const reference of ['v1', digest]) t.deepEqual(await repository.manifest(reference), image.manifest);
    t.is(await repository.digestOf('v1'), digest);
    t.true(await repository.hasManifest(digest));
    t.deepEqual(await repository.tags(), ['v1']);
  });

  contract('what is not there is not an error', async ({ t, fresh }) => {
    const repository = fresh();
    t.is(await repository.manifest('v1'), undefined);
    t.is(await repository.digestOf('v1'), undefined);
    t.false(await repository.hasManifest(digestOf('none')));
    t.deepEqual(await repository.tags(), []);
  });

  contract('a manifest whose blobs are not there is refused', async ({ t, fresh }) => {
    const repository = fresh();
    await t.throwsAsync(repository.putManifest('v1', imageOf('absent').manifest));
    t.is(await repository.manifest('v1'), undefined);
  });

  contract('a tag moves to the manifest that is put last', async ({ t, fresh }) => {
    const repository = fresh();
    const [older, newer] = [imageOf('older'), imageOf('newer')];
    await push(repository, older, 'v1');
    await push(repository, newer, 'v1');
    t.is(await repository.digestOf('v1'), newer.manifest.descriptor.digest);
    t.true(await repository.hasManifest(older.manifest.descriptor.digest));
  });

  contract('an index keeps its children', async ({ t, fresh }) => {
    const repository = fresh();
    const children = { 'linux/amd64': imageOf('amd'), 'linux/arm64': imageOf('arm') };
    for (const child of Object.values(children)) await push(repository, child);
    const index = indexOf(children);
    await repository.putManifest('v1', index);
    t.is((await repository.manifest('v1'))?.descriptor.mediaType, MEDIA.ociIndex);
  });

  contract(`referrers are ${registry.referrersApi ? 'listed' : 'not known'}`, async ({ t, fresh }) => {
    const repository = fresh();
    const image = imageOf('layer');
    await push(repository, image, 'v1');
    const { digest } = image.manifest.descriptor;
    const referrer = referrerOf(image.manifest.descriptor, 'signature');
    for (const blob of referrer.blobs) await repository.putBlob(blob.descriptor, sliceOf(blob.bytes));
    const { listsReferrers } = await repository.putManifest(referrer.manifest.descriptor.digest, referrer.manifest);
    t.is(listsReferrers, registry.referrersApi);
    const listed = await repository.referrers(digest);
    if (!registry.referrersApi) t.is(listed, undefined);
    else
      t.deepEqual(
        listed?.map((each) => each.digest),
        [referrer.manifest.descriptor.digest],
      );
    const none = await repository.referrers(referrer.manifest.descriptor.digest);
    t.deepEqual(none, registry.referrersApi ? [] : undefined);
  });
}

interface World {
  readonly t: ExecutionContext;
  readonly fresh: () => RepositoryClient;
}
