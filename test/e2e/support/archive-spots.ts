import { type FileHandle, open } from 'node:fs/promises';

const BLOCK = 512;

/** A byte of an archive, and what it belongs to. */
export interface Spot {
  readonly what: string;
  readonly offset: number;
}

interface Member {
  readonly name: string;
  readonly header: number;
  readonly size: number;
}

/** One byte of each kind that a bundle has: headers, inventory, signature, a blob, padding, the end. */
export async function archiveSpots(file: string): Promise<Spot[]> {
  const handle = await open(file, 'r');
  try {
    const members = await membersOf(handle);
    const named = (name: string) =>
      found(
        members.find((member) => member.name === name),
        name,
      );
    const blobs = members.filter(({ name }) => name.startsWith('blobs/'));
    const largest = found(blobs.toSorted((a, b) => b.size - a.size)[0], 'blob');
    const padded = found(
      blobs.find(({ size }) => size % BLOCK !== 0),
      'blob with padding',
    );
    const { size } = await handle.stat();
    return [
      { what: "the inventory's header", offset: named('sealift.json').header + 1 },
      { what: 'the inventory', offset: middle(named('sealift.json')) },
      { what: 'the signature', offset: middle(named('sealift.json.sig')) },
      { what: 'index.json', offset: middle(named('index.json')) },
      { what: "a blob's header", offset: largest.header + 20 },
      { what: 'a blob', offset: middle(largest) },
      { what: 'the padding after a blob', offset: padded.header + BLOCK + padded.size },
      { what: 'the last byte', offset: size - 1 },
    ];
  } finally {
    await handle.close();
  }
}

async function membersOf(handle: FileHandle): Promise<Member[]> {
  const members: Member[] = [];
  const header = Buffer.alloc(BLOCK);
  for (let position = 0; ; ) {
    await handle.read(header, 0, BLOCK, position);
    const name = header.toString('latin1', 0, 100).replace(/\0.*$/s, '');
    if (name === '') return members;
    const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
    members.push({ name, header: position, size });
    position += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function middle({ header, size }: Member): number {
  return header + BLOCK + Math.floor(size / 2);
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the archive has no ${what}`);
  return value;
}

/** Flips one bit of a file, does `work`, and flips it back, whatever happens. */
export async function withFlippedBit(file: string, offset: number, work: () => Promise<void>): Promise<void> {
  await flip(file, offset);
  try {
    await work();
  } finally {
    await flip(file, offset);
  }
}

async function flip(file: string, offset: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, offset);
    await handle.write(Buffer.from([(byte[0] ?? 0) ^ 0b100]), 0, 1, offset);
  } finally {
    await handle.close();
  }
}
