import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { type RegistryUnderTest, registryContract } from '../contracts/registry.ts';
import { distributionPrograms, startDistribution } from './support/distribution.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'sealift-registry-'));
const programs = await distributionPrograms();
const closers: (() => Promise<void>)[] = [];
test.after.always(async () => {
  await Promise.all(closers.map(async (close) => await close()));
  await rm(folder, { recursive: true, force: true });
});

function once(start: () => Promise<{ url: string; close: () => Promise<void> }>): RegistryUnderTest['origin'] {
  let started: Promise<{ url: string }> | undefined;
  return async () => {
    started ??= start().then(({ url, close }) => {
      closers.push(close);
      return { url };
    });
    return await started;
  };
}

function inMemory(referrersApi: boolean): RegistryUnderTest {
  const start = once(async () => {
    const { origin, close } = await memoryRegistry({ referrersApi }).listen();
    return { url: origin, close };
  });
  return { referrersApi, origin: start };
}

function distribution(name: string): RegistryUnderTest {
  const program = programs[name];
  if (program === undefined) {
    return { referrersApi: false, origin: async () => ({ skipped: `${name} is not on this machine` }) };
  }
  const start = once(async () => await startDistribution(program, await mkdtemp(path.join(folder, 'registry-'))));
  return { referrersApi: false, origin: start };
}

registryContract(test, 'in memory', inMemory(true));
registryContract(test, 'in memory, no referrers API', inMemory(false));
registryContract(test, 'distribution v3', distribution('distribution v3'));
registryContract(test, "Debian's docker-registry", distribution("Debian's docker-registry"));
