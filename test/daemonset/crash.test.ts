import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import test, { type ExecutionContext } from 'ava';
import { evidenceBlobs } from '../../daemonset/evidence-intake.ts';
import { evidenceIndexOf } from '../../daemonset/evidence-prune.ts';
import { dialledHosts } from '../../daemonset/hosts-toml.ts';
import { fileBlobStore } from '../../mirror/blob-folder.ts';
import { currentGeneration, pinRoot } from '../../trust-root/follow.ts';
import { type AgentWorld, agentWorld, textOf } from './agent-world.ts';

const KILLS = 8;
const STATES = 30;

/** Every state that the site had, one after the other: each look at the timestamp shows the next. */
async function manyStates(t: ExecutionContext, world: AgentWorld): Promise<string> {
  const states: ReadonlyMap<string, Buffer>[] = [];
  for (let number = 0; number < STATES; number += 1) {
    await world.pushSigned(`v${number}`);
    await world.publishState();
    states.push(world.tuf.store.snapshot());
  }
  let at = 0;
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent((request.url ?? '/').slice(1));
    if (name === 'timestamp.json') at = Math.min(at + 1, states.length - 1);
    const bytes = states[at]?.get(name) ?? states.at(-1)?.get(name);
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** Lets an agent run in a process of its own and kills it `afterMs` after it said `word`. */
async function runAndKill(
  args: readonly string[],
  { word, afterMs }: { word: string; afterMs: number },
): Promise<string> {
  const program = path.join(import.meta.dirname, 'crashing-agent.ts');
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(word)) resolve();
    });
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.once('exit', () => reject(new Error(`the agent ended by itself: ${said}`)));
  });
  await ready;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await delay(afterMs);
  child.kill('SIGKILL');
  await gone;
  return said;
}

test('an agent that is killed at any instant leaves one whole generation with all its evidence, and whole files', async (t) => {
  t.timeout(120_000);
  const world = await agentWorld(t);
  const { paths, certs, tuf, registry } = world;
  const url = await manyStates(t, world);
  await pinRoot(paths, tuf.root);
  const args = [paths.base, certs, url, registry.origin, tuf.clock.now().toISOString()];
  let newest = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const said = await runAndKill(args, {
      // Every second one gets through a turn first, so that there is progress on a slow machine too.
      word: kill % 2 === 0 ? 'Synced' : 'ready',
      afterMs: Math.floor(Math.random() * 300),
    });
    t.notRegex(said, /UpdateFailed|UpdateRefused/, said);
    const generation = await currentGeneration(paths, tuf.clock).catch((error: unknown) => {
      if (newest === 0 && !said.includes('Synced')) return undefined;
      throw error;
    });
    if (generation === undefined) continue;
    for (const name of generation.targetNames()) await generation.target(name);
    for (const { descriptor } of evidenceBlobs(await evidenceIndexOf(generation))) {
      await fileBlobStore(paths.evidence).read(descriptor);
    }
    t.true(generation.number >= newest, `${generation.number} after ${newest}`);
    newest = generation.number;
    for (const folder of await readdir(certs)) {
      const text = await textOf(path.join(certs, folder, 'hosts.toml'));
      t.is(text === '' ? 2 : dialledHosts(text).length, 2);
    }
  }
  t.true(newest > 2, `${newest}`);
  t.log(`generation ${newest} after ${KILLS} kills`);
});
