import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { writeFileAtomic } from '../../../appliance/kernel/atomic-file.ts';
import { APPLICATIONS, type ApplicationName } from '../../images/app-images.ts';
import { ensureImages } from '../../images/ensure-images.ts';
import type { BuiltImage } from '../../images/image-layout.ts';
import { ensureBinaries } from '../build-binaries.ts';
import { type Daemon, daemonLog, startDaemon } from '../daemon.ts';
import type { LabLayout } from '../layout.ts';
import { run } from '../program.ts';
import type { Progress } from '../steps.ts';
import { waitUntil } from '../wait.ts';
import { type ConnectedFacts, describeConnected, factsFile } from './connected-facts.ts';
import { CLIENT_FILES, cosign } from './cosign.ts';
import { makeDatabase } from './database.ts';
import { populateRegistry } from './registry-storage.ts';
import { signApplications } from './signed-images.ts';
import { signingConfigDocument, trustedRootDocument } from './trust-documents.ts';
import { PORTS, type UpstreamPaths, upstreamPaths } from './upstream.ts';
import { makeUpstreamKeys, type UpstreamKeys } from './upstream-keys.ts';
import {
  fulcioServer,
  logServers,
  registryServer,
  type Server,
  timestampedServers,
  trillianServers,
  type UpstreamParts,
  webServer,
} from './upstream-servers.ts';
import { upstreamTargets, writeUpstreamTuf } from './upstream-tuf.ts';

/** The programs that run on the connected side. */
export const CONNECTED_BINARIES = [
  'registry',
  'trillian_log_server',
  'trillian_log_signer',
  'createtree',
  'ct_server',
  'rekor-server',
  'rekor-server-posix',
  'fulcio',
  'timestamp-server',
  'cosign',
] as const;

/** The names of its servers. */
export const CONNECTED_DAEMONS: readonly string[] = [
  'mariadb',
  'registry',
  'web',
  'trillian-log-server',
  'trillian-log-signer',
  'ctlog',
  'rekor',
  'rekor-v2',
  'tsa',
  'fulcio',
].map((name) => `connected-${name}`);

const READY_TIMEOUT_MS = 60_000;

/**
 * Makes and starts the connected side, from nothing, and signs the application images there. Runs inside its network
 * namespace, which must exist, as must the cgroup of the place.
 */
export async function bringUpConnected(layout: LabLayout, progress: Progress): Promise<ConnectedFacts> {
  const { step, say } = progress;
  const paths = upstreamPaths(layout);
  await rm(paths.dir, { recursive: true, force: true });
  for (const folder of Object.values(paths)) await mkdir(folder as string, { recursive: true, mode: 0o700 });
  const made = new Date();
  const binaries = await step('programs', () => ensureBinaries(CONNECTED_BINARIES, { say }));
  const images = await step('images', () => ensureImages(undefined));
  const keys = await step('keys and certificates', () => makeUpstreamKeys(paths));
  await step('trust documents and TUF repository', () => writeDocuments(paths, keys, made));
  const database = await step('database', async () => {
    const { daemon, dsn } = await makeDatabase(paths.database);
    const probe = async () => await isListening(PORTS.database);
    await startAndWait(layout, daemon, { what: `listen on port ${PORTS.database}`, probe });
    return dsn;
  });
  const parts: UpstreamParts = { paths, keys, binaries, dsn: database };
  await step('registry', async () => {
    await populateRegistry(paths.registry, images.values());
    await startAll(layout, [await registryServer(parts), webServer(parts)]);
  });
  await step('upstream Sigstore', () => startSigstore(layout, parts));
  const applications = await step('signatures', () =>
    signApplications({
      cosign: cosign(parts),
      images: applicationImages(images),
      folder: path.join(paths.client, 'predicates'),
      say,
    }),
  );
  const facts = describeConnected(layout, { images: [...images.values()], applications });
  await writeFileAtomic(factsFile(layout), `${JSON.stringify(facts, null, 2)}\n`);
  return facts;
}

function applicationImages(images: ReadonlyMap<string, BuiltImage>): Map<ApplicationName, BuiltImage> {
  const found = new Map<ApplicationName, BuiltImage>();
  for (const name of APPLICATIONS) {
    const image = images.get(`acme-${name}`);
    if (image !== undefined) found.set(name, image);
  }
  return found;
}

async function writeDocuments(paths: UpstreamPaths, keys: UpstreamKeys, made: Date): Promise<void> {
  const documents = {
    [CLIENT_FILES.trustedRoot]: trustedRootDocument(keys, made),
    [CLIENT_FILES.signingConfigV1]: signingConfigDocument(1, made),
    [CLIENT_FILES.signingConfigV2]: signingConfigDocument(2, made),
  };
  for (const [name, document] of Object.entries(documents)) {
    await writeFile(path.join(paths.client, name), JSON.stringify(document, null, 2));
  }
  const trustedRoot = Buffer.from(JSON.stringify(documents[CLIENT_FILES.trustedRoot], null, 2));
  const signingConfig = Buffer.from(JSON.stringify(documents[CLIENT_FILES.signingConfigV2], null, 2));
  await writeUpstreamTuf(paths.tuf, upstreamTargets(keys, { trustedRoot, signingConfig }), made);
}

async function startSigstore(layout: LabLayout, parts: UpstreamParts): Promise<void> {
  // The timestamp server must be first: it ends when it can't have port 2112 for its metrics, Rekor goes on without.
  await startAll(layout, [...trillianServers(parts), ...(await timestampedServers(parts))]);
  const trees = { rekor: await createTree(parts, 'rekor-tree'), ctlog: await createTree(parts, 'ctlog-tree') };
  await startAll(layout, [...(await logServers(parts, trees)), await fulcioServer(parts)]);
}

async function createTree({ binaries }: UpstreamParts, name: string): Promise<string> {
  const program = binaries.get('createtree') ?? 'createtree';
  const words = [`--admin_server=127.0.0.1:${PORTS.trillian}`, `--display_name=${name}`];
  const { stdout } = await run([program, ...words], { timeoutMs: READY_TIMEOUT_MS });
  return stdout.trim();
}

async function startAll(layout: LabLayout, servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(async (server) => {
      const probe = async () => (await fetch(server.readyUrl)).ok;
      await startAndWait(layout, server, { what: `answer at ${server.readyUrl}`, probe });
    }),
  );
}

interface Readiness {
  readonly what: string;
  readonly probe: () => Promise<boolean>;
}

async function startAndWait(layout: LabLayout, daemon: Daemon, { what, probe }: Readiness): Promise<void> {
  const pid = await startDaemon(layout, daemon);
  const log = daemonLog(layout, daemon.name);
  await waitUntil(`${daemon.name} to ${what}`, {
    timeoutMs: READY_TIMEOUT_MS,
    everyMs: 100,
    probe,
    hopeless: async () => ((await hasEnded(pid)) ? `it has ended: ${await lastLines(log)}` : undefined),
    fix: `see ${log}`,
  });
}

async function hasEnded(pid: number): Promise<boolean> {
  return await access(`/proc/${pid}`).then(
    () => false,
    () => true,
  );
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-5).join('\n');
}

async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
