import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { access, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

/** A kube-apiserver of this test's own, with its etcd, on loopback. */
export interface TestApiServer {
  /** A kubeconfig with contexts `admin` (all rights, current) and `nobody` (none). */
  readonly kubeconfig: string;
  stop(): Promise<void>;
}

function binaryFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return path.join(cache, 'sealift-lab', 'bin');
}

/** A program that the lab built, newest version first; `undefined` when it is not on this machine. */
export async function labBinary(name: string): Promise<string | undefined> {
  const names = await readdir(binaryFolder()).catch(() => []);
  const found = names.filter((entry) => new RegExp(`^${name}-v[0-9.]+$`).test(entry)).sort();
  const last = found.at(-1);
  return last === undefined ? undefined : path.join(binaryFolder(), last);
}

/** The programs of the lab that an API server needs; `undefined` when the lab was never built on this machine. */
export async function apiServerBinaries(): Promise<{ etcd: string; apiServer: string } | undefined> {
  const [etcd, apiServer] = await Promise.all([labBinary('etcd'), labBinary('kube-apiserver')]);
  return etcd === undefined || apiServer === undefined ? undefined : { etcd, apiServer };
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: 'ignore' });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

function answers(port: number, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = https.get({ host: '127.0.0.1', port, path: '/readyz', ca, timeout: 2000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

async function ready(port: number, caFile: string): Promise<void> {
  const deadline = AbortSignal.timeout(90_000);
  while (!deadline.aborted) {
    const ca = await readFile(caFile, 'utf8').catch(() => undefined);
    if (ca !== undefined && (await answers(port, ca))) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error('the API server of the test did not start');
}

/** Starts etcd and kube-apiserver on free ports of 127.0.0.1, with everything they keep in a folder of their own. */
export async function startApiServer({ etcd, apiServer }: { etcd: string; apiServer: string }): Promise<TestApiServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-api-'));
  const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
  const file = (name: string): string => path.join(folder, name);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(file('sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 });
  await writeFile(file('tokens.csv'), 'admin-token,admin,1,"system:masters"\nnobody-token,nobody,2\n', { mode: 0o600 });
  const etcdUrl = `http://127.0.0.1:${client}`;
  const children = [
    start(etcd, [
      `--data-dir=${file('etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      '--unsafe-no-fsync',
    ]),
    start(apiServer, [
      `--etcd-servers=${etcdUrl}`,
      `--cert-dir=${file('certs')}`,
      `--secure-port=${port}`,
      '--bind-address=127.0.0.1',
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${file('sa.key')}`,
      `--service-account-signing-key-file=${file('sa.key')}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      '--disable-admission-plugins=ServiceAccount,NodeRestriction',
    ]),
  ];
  const end = async (): Promise<void> => {
    await Promise.all(children.map(stop));
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await ready(port, file('certs/apiserver.crt'));
  } catch (error) {
    await end();
    throw error;
  }
  await writeFile(file('kubeconfig'), await kubeconfigFor(port, file('certs/apiserver.crt')), { mode: 0o600 });
  return { kubeconfig: file('kubeconfig'), stop: end };
}

async function kubeconfigFor(port: number, caFile: string): Promise<string> {
  const user = (name: string): object => ({ name, user: { token: `${name}-token` } });
  const context = (name: string): object => ({ name, context: { cluster: 'test', user: name } });
  await access(caFile);
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': caFile } }],
    users: [user('admin'), user('nobody')],
    contexts: [context('admin'), context('nobody')],
    'current-context': 'admin',
  });
}
