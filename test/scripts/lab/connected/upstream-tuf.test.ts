import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Updater } from 'tuf-js';
import { type TufTarget, writeUpstreamTuf } from '../../../../scripts/lab/connected/upstream-tuf.ts';
import { fileHandler } from '../../../../scripts/lab/connected/web-server.ts';

const NOW = new Date();
const DAY_MS = 86_400_000;
const TARGET: TufTarget = { name: 'trusted_root.json', content: Buffer.from('{"a":1}') };

async function repository(t: ExecutionContext, made: Date = NOW): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-tuf-'));
  t.teardown(async () => await rm(folder, { recursive: true }));
  await writeUpstreamTuf(path.join(folder, 'repository'), [TARGET], made);
  return folder;
}

/** tuf-js, which knows only the first root. */
async function client(t: ExecutionContext, folder: string): Promise<Updater> {
  const served = path.join(folder, 'repository');
  const server = createServer(fileHandler(served)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const own = path.join(folder, 'client');
  await mkdir(own);
  await copyFile(path.join(served, '1.root.json'), path.join(own, 'root.json'));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = { fetchRetries: 0 };
  return new Updater({
    metadataDir: own,
    targetDir: own,
    metadataBaseUrl: url,
    targetBaseUrl: `${url}/targets`,
    config,
  });
}

test('a client with the first root reaches the target', async (t) => {
  const updater = await client(t, await repository(t));
  await updater.refresh();
  const info = await updater.getTargetInfo(TARGET.name);
  t.truthy(info);
  if (info !== undefined) t.deepEqual(await readFile(await updater.downloadTarget(info)), TARGET.content);
});

test('a client refuses a byte more in the snapshot', async (t) => {
  const folder = await repository(t);
  const file = path.join(folder, 'repository/1.snapshot.json');
  await writeFile(file, `${await readFile(file, 'utf8')} `);
  const updater = await client(t, folder);
  await t.throwsAsync(updater.refresh());
});

test('after seven days the timestamp is over', async (t) => {
  const updater = await client(t, await repository(t, new Date(NOW.getTime() - 8 * DAY_MS)));
  await t.throwsAsync(updater.refresh(), { message: /expired/i });
});

test('the second root is signed by three of the old five and three of the new', async (t) => {
  const folder = await repository(t);
  interface RootJson {
    signed: { roles: { root: { keyids: string[]; threshold: number } } };
    signatures: { keyid: string }[];
  }
  const read = async (name: string) =>
    JSON.parse(await readFile(path.join(folder, 'repository', name), 'utf8')) as RootJson;
  const [first, second] = [await read('1.root.json'), await read('2.root.json')];
  const signers = new Set(second.signatures.map(({ keyid }) => keyid));
  for (const { signed } of [first, second]) {
    const { keyids, threshold } = signed.roles.root;
    t.is(threshold, 3);
    t.is(keyids.length, 5);
    t.true(keyids.filter((keyid) => signers.has(keyid)).length >= 3);
  }
  t.notDeepEqual(first.signed.roles.root.keyids, second.signed.roles.root.keyids);
});
