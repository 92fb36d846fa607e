import { readdir } from 'node:fs/promises';

import test from 'ava';
import fc from 'fast-check';
import { digestOf } from '../../appliance/kernel/digest.ts';
import { INVENTORY_PATH, placeMembers, SIGNATURE_PATH } from '../../mirror/archive-layout.ts';
import { blobPath, type Inventory, serializeInventory } from '../../mirror/inventory.ts';
import { signInventory } from '../../mirror/inventory-signature.ts';
import { memberBytes, TAR_BLOCK, tarHeader } from '../../mirror/tar.ts';
import { type Parts, partsOf, tarMember, verdictOn, withInventory } from './support/tamper.ts';
import { type BundleWorld, bundleWorld, newSigner } from './support/world.ts';

test('a byte flipped anywhere is found', async (t) => {
  const world = await bundleWorld(t);
  const { whole } = await partsOf(world);
  t.is(await verdictOn(world, whole), undefined);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.byteLength - 1), fc.integer({ min: 1, max: 255 }), async (position, difference) => {
      const changed = Buffer.from(whole);
      changed[position] = (changed[position] ?? 0) ^ difference;
      return (await verdictOn(world, changed)) !== undefined;
    }),
    { numRuns: 300 },
  );
});

test('an archive cut anywhere, or longer by anything, is refused', async (t) => {
  const world = await bundleWorld(t);
  const { whole } = await partsOf(world);
  t.is(await verdictOn(world, whole), undefined);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.byteLength - 1), async (length) => {
      const code = await verdictOn(world, whole.subarray(0, length));
      return code === 'BUNDLE_TRUNCATED';
    }),
    { numRuns: 50 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2000 }), async (more) => {
      return (await verdictOn(world, Buffer.concat([whole, more]))) === 'BUNDLE_TRAILING_DATA';
    }),
    { numRuns: 50 },
  );
});

/** Changes in the bytes of the archive: nobody signed them. */
const TAMPERED: Record<string, [code: string, change: (parts: Parts, world: BundleWorld) => Buffer | Promise<Buffer>]> =
  {
    'the inventory is not the first member': [
      'BUNDLE_MALFORMED',
      ({ whole, inventoryBytes, signature, base }) =>
        Buffer.concat([
          tarMember(SIGNATURE_PATH, signature),
          tarMember(INVENTORY_PATH, inventoryBytes),
          whole.subarray(base),
        ]),
    ],
    'another member goes before the inventory': [
      'BUNDLE_MALFORMED',
      ({ whole }) => Buffer.concat([tarMember('README', Buffer.from('hello')), whole]),
    ],
    'the inventory is a symbolic link': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, '2')],
    'the inventory is a hard link': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, '1')],
    'the inventory is a folder': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, '5')],
    'the inventory is a GNU sparse file': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, 'S')],
    'a pax header goes first': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, 'x')],
    'a global pax header goes first': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, 'g')],
    'a GNU long name goes first': ['BUNDLE_MALFORMED', (parts) => patched(parts, 156, 'L')],
    'the inventory has a prefix': ['BUNDLE_MALFORMED', (parts) => patched(parts, 345, '../..')],
    'the inventory has a link name': ['BUNDLE_MALFORMED', (parts) => patched(parts, 157, '/etc/passwd')],
    'the inventory is set-uid': ['BUNDLE_MALFORMED', (parts) => patched(parts, 100, '0004755')],
    'the inventory has an owner': ['BUNDLE_MALFORMED', (parts) => patched(parts, 108, '0001750')],
    'the inventory has a time': ['BUNDLE_MALFORMED', (parts) => patched(parts, 136, '14700000000')],
    'the checksum of a header is wrong': ['BUNDLE_MALFORMED', (parts) => patched(parts, 148, '000000')],
    'the size of the inventory is not octal': ['BUNDLE_MALFORMED', (parts) => patched(parts, 124, '99999999999')],
    'the size of the inventory is negative': ['BUNDLE_MALFORMED', (parts) => patched(parts, 124, '\u00ff'.repeat(12))],
    'the size of the inventory is larger than any memory': [
      'BUNDLE_MALFORMED',
      ({ whole }) => Buffer.concat([tarHeader(INVENTORY_PATH, 2 ** 50), whole.subarray(TAR_BLOCK)]),
    ],
    'the size of the inventory is larger than the file': [
      'BUNDLE_TRUNCATED',
      ({ whole }) => Buffer.concat([tarHeader(INVENTORY_PATH, 60 * 1024 * 1024), whole.subarray(TAR_BLOCK)]),
    ],
    'the size of the inventory is in base 256 though it is small': [
      'BUNDLE_MALFORMED',
      ({ whole, inventoryBytes }) => {
        const header = tarHeader(INVENTORY_PATH, 2 ** 40);
        header.writeBigUInt64BE(BigInt(inventoryBytes.byteLength), 128);
        return Buffer.concat([header, whole.subarray(TAR_BLOCK)]);
      },
    ],
    'there is something in the padding after the inventory': [
      'BUNDLE_MALFORMED',
      (parts) => patched(parts, memberBytes(parts.inventoryBytes.byteLength) - 1, 'x'),
    ],
    'the signature is missing': [
      'BUNDLE_MALFORMED',
      ({ whole, inventoryBytes, base }) =>
        Buffer.concat([tarMember(INVENTORY_PATH, inventoryBytes), whole.subarray(base)]),
    ],
    'the signature is empty': ['BUNDLE_SIGNATURE_INVALID', (parts) => signedWith(parts, Buffer.alloc(0))],
    'the signature is not JSON': ['BUNDLE_SIGNATURE_INVALID', (parts) => signedWith(parts, Buffer.from('{{{{'))],
    'the signature has an unknown field': [
      'BUNDLE_SIGNATURE_INVALID',
      (parts) => signedWith(parts, Buffer.from(parts.signature.toString().replace('{', '{"a":1,'))),
    ],
    'the signature has white space': [
      'BUNDLE_SIGNATURE_INVALID',
      (parts) => signedWith(parts, Buffer.from(parts.signature.toString().replace('{', '{ '))),
    ],
    'the signature is of another key': [
      'BUNDLE_UNTRUSTED_KEY',
      async (parts) => signedWith(parts, await signInventory(parts.inventoryBytes, newSigner())),
    ],
    'the signature is of another key, under the name of the trusted one': [
      'BUNDLE_SIGNATURE_INVALID',
      async (parts, { signer }) => {
        const other = newSigner();
        return signedWith(parts, await signInventory(parts.inventoryBytes, { ...other, publicKey: signer.publicKey }));
      },
    ],
    'the signature is of another inventory': [
      'BUNDLE_SIGNATURE_INVALID',
      async (parts, { signer }) => signedWith(parts, await signInventory(Buffer.from('{}'), signer)),
    ],
    'the signature names another kind of key': [
      'BUNDLE_SIGNATURE_INVALID',
      (parts) => signedWith(parts, Buffer.from(parts.signature.toString().replace('"ed25519"', '"ecdsa-p256-sha256"'))),
    ],
    'two blobs of the same size have changed places': ['BUNDLE_DIGEST_MISMATCH', (parts) => swapBlobs(parts)],
    'a blob is a link to a file of the machine': [
      'BUNDLE_MALFORMED',
      (parts) => patched(parts, headerOf(parts, 5) + 156, '2'),
    ],
    'a blob has another name': [
      'BUNDLE_MALFORMED',
      (parts) => patched(parts, headerOf(parts, 5), '../../etc/cron.d/x'),
    ],
    'a blob has an absolute name': ['BUNDLE_MALFORMED', (parts) => patched(parts, headerOf(parts, 5), '/etc/cron.d/x')],
    'a blob has another size in its header': [
      'BUNDLE_MALFORMED',
      (parts) => patched(parts, headerOf(parts, 5) + 124, '00000000001'),
    ],
    'a blob has another content': [
      'BUNDLE_DIGEST_MISMATCH',
      (parts) => patched(parts, headerOf(parts, 5) + TAR_BLOCK, '?'),
    ],
    'the end of the archive is missing': [
      'BUNDLE_TRUNCATED',
      ({ whole }) => whole.subarray(0, whole.byteLength - 1024),
    ],
    'the end of the archive is not empty': [
      'BUNDLE_MALFORMED',
      (parts) => patched(parts, parts.whole.byteLength - 600, 'x'),
    ],
    'another member goes after the last': [
      'BUNDLE_TRAILING_DATA',
      ({ whole }) =>
        Buffer.concat([whole.subarray(0, -1024), tarMember('blobs/sha256/x', Buffer.from('x')), Buffer.alloc(1024)]),
    ],
    'a second archive goes after the first': ['BUNDLE_TRAILING_DATA', ({ whole }) => Buffer.concat([whole, whole])],
  };

for (const [what, [code, change]] of Object.entries(TAMPERED)) {
  test(`refused: ${what}`, async (t) => {
    const world = await bundleWorld(t);
    t.is(await verdictOn(world, await change(await partsOf(world), world)), code);
    t.deepEqual((await readdir(world.folder)).sort(), ['site.tar', 'tampered.tar']);
  });
}

/** Inventories that can't be true, though the trusted key signed them. */
const UNTRUE: Record<string, [code: string, change: (inventory: Inventory, world: BundleWorld) => unknown]> = {
  'a member is named twice': ['BUNDLE_MALFORMED', ({ members }) => members.push(...members.slice(-1))],
  'a member is out of order': ['BUNDLE_MALFORMED', ({ members }) => members.push(...members.splice(2, 1))],
  'a member is missing from the list': ['BUNDLE_MALFORMED', ({ members }) => members.splice(4, 1)],
  'index.json is missing from the list': ['BUNDLE_MALFORMED', ({ members }) => members.splice(1, 1)],
  'a member lies on another': [
    'BUNDLE_MALFORMED',
    (inventory) => edit(inventory, 5, ({ offset }) => ({ offset: offset - 512 })),
  ],
  'a member lies outside': ['BUNDLE_MALFORMED', (inventory) => edit(inventory, 5, () => ({ offset: 2 ** 45 }))],
  'a member is larger than said': [
    'BUNDLE_MALFORMED',
    (inventory) => edit(inventory, 5, ({ size }) => ({ size: size + 600 })),
  ],
  'a member has a negative size': ['INVENTORY_INVALID', (inventory) => edit(inventory, 5, () => ({ size: -1 }))],
  'a member has half a byte': ['INVENTORY_INVALID', (inventory) => edit(inventory, 5, () => ({ size: 0.5 }))],
  'a member is outside of the layout': [
    'INVENTORY_INVALID',
    (inventory) => edit(inventory, 5, () => ({ path: '../x' })),
  ],
  'a blob has the path of another digest': [
    'BUNDLE_MALFORMED',
    (inventory) => edit(inventory, 5, () => ({ digest: digestOf('another') })),
  ],
  'sizes add up to more than the file': [
    'BUNDLE_TRUNCATED',
    (inventory) => {
      const last = inventory.members.length - 1;
      edit(inventory, last, () => ({ size: 2 ** 40 }));
    },
  ],
  'a blob is listed that is not in the archive': [
    'BUNDLE_TRUNCATED',
    (inventory) => {
      const digest = digestOf('not there');
      const added = { path: blobPath(digest), digest, size: 9 };
      inventory.members = placeMembers([...inventory.members, added]);
    },
  ],
  'an image is not carried': ['BUNDLE_INCOMPLETE', ({ images }) => Object.assign(images[0] ?? {}, absent())],
  'an attachment is not carried': [
    'BUNDLE_INCOMPLETE',
    ({ attachments }) => Object.assign(attachments[0] ?? {}, absent()),
  ],
  'an attachment has another size': [
    'BUNDLE_INCOMPLETE',
    ({ attachments: [first] }) => first !== undefined && Object.assign(first.descriptor, { size: 1 }),
  ],
  'the evidence of an image is not recorded': [
    'BUNDLE_INCOMPLETE',
    ({ evidence }, { upstream }) => Reflect.deleteProperty(evidence.images, upstream.app),
  ],
  'a piece of evidence is left out of the record, but carried': [
    'BUNDLE_INCOMPLETE',
    ({ evidence }, { upstream }) => evidence.images[upstream.amd]?.evidence.pop(),
  ],
  'evidence is said to hold less than it does': [
    'BUNDLE_INCOMPLETE',
    ({ evidence }, { upstream }) => evidence.images[upstream.amd]?.evidence[0]?.blobs.pop(),
  ],
  'a child is recorded that the index does not have': [
    'BUNDLE_INCOMPLETE',
    ({ evidence }, { upstream }) => evidence.images[upstream.app]?.children.push(upstream.tool),
  ],
  'a tag stands for a digest that is not there': [
    'BUNDLE_INCOMPLETE',
    ({ evidence }) => Object.assign(evidence.tags, { 'ghcr.io/acme/app:v1': digestOf('absent') }),
  ],
  'index.json says another thing than the inventory': ['BUNDLE_MALFORMED', ({ images }) => images.pop()],
  'it is a document of another format': [
    'INVENTORY_INVALID',
    (inventory) => changed(inventory, { format: 'sealift.dev/receipt' }),
  ],
  'it is of a later version': ['INVENTORY_INVALID', (inventory) => changed(inventory, { schemaVersion: 2 })],
  'it has an unknown field': ['INVENTORY_INVALID', (inventory) => changed(inventory, { extra: true })],
  'it has no time': ['INVENTORY_INVALID', (inventory) => changed(inventory, { createdAt: 'yesterday' })],
  'it is no JSON': ['INVENTORY_INVALID', () => Buffer.from('hello')],
  'it is nested too deep': ['INVENTORY_INVALID', () => Buffer.from('['.repeat(5000))],
};

for (const [what, [code, change]] of Object.entries(UNTRUE)) {
  test(`refused, though signed: ${what}`, async (t) => {
    const world = await bundleWorld(t);
    const bytes = await withInventory(world, (inventory) => change(inventory, world));
    t.is(await verdictOn(world, bytes), code);
  });
}

test('an inventory that is signed again unchanged is taken', async (t) => {
  const world = await bundleWorld(t);
  t.is(await verdictOn(world, await withInventory(world, () => undefined)), undefined);
});

function patched({ whole }: Parts, position: number, text: string): Buffer {
  const changed = Buffer.from(whole);
  changed.write(text, position, 'latin1');
  const header = changed.subarray(position - (position % TAR_BLOCK)).subarray(0, TAR_BLOCK);
  // The sum of a header is put right, so that the change itself is what is refused.
  if (header.toString('latin1', 257, 262) === 'ustar' && position % TAR_BLOCK !== 148) writeSum(header);
  return changed;
}

function writeSum(header: Buffer): void {
  header.write('        ', 148, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function signedWith({ whole, inventoryBytes, base }: Parts, signature: Buffer): Buffer {
  return Buffer.concat([
    tarMember(INVENTORY_PATH, inventoryBytes),
    tarMember(SIGNATURE_PATH, signature),
    whole.subarray(base),
  ]);
}

function headerOf({ inventory, base }: Parts, index: number): number {
  return base + (inventory.members[index]?.offset ?? 0) - TAR_BLOCK;
}

function swapBlobs({ whole, inventory, base }: Parts): Buffer {
  const changed = Buffer.from(whole);
  const [one, other] = inventory.members.filter(
    ({ size, digest }, _index, all) => all.some((each) => each.size === size && each.digest !== digest) && size > 100,
  );
  if (one === undefined || other === undefined) throw new Error('no two blobs of one size');
  const [a, b] = [one, other].map(({ offset, size }) =>
    Buffer.from(whole.subarray(base + offset, base + offset + size)),
  );
  b?.copy(changed, base + one.offset);
  a?.copy(changed, base + other.offset);
  return changed;
}

type Member = Inventory['members'][number];

function edit(
  { members }: Inventory,
  index: number,
  change: (member: Member) => Partial<Record<keyof Member, unknown>>,
): void {
  const member = members[index];
  if (member !== undefined) Object.assign(member, change(member));
}

function absent() {
  return { descriptor: { mediaType: 'application/json', digest: digestOf('absent'), size: 6 } };
}

function changed(inventory: Inventory, fields: Record<string, unknown>): Buffer {
  return serializeInventory({ ...inventory, ...fields });
}
