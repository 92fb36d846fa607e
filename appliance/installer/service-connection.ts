import https from 'node:https';

import { z } from 'zod';

import { KINDS } from '../kube/kube-object.ts';
import { InstallerError } from './installer-error.ts';
import type { InstallWorld } from './step.ts';

/** A port of a service's pods. */
export interface ServicePort {
  readonly namespace: string;
  readonly labelSelector: string;
  /** The container's port. */
  readonly port: number;
}

const podSchema = z.looseObject({
  status: z.looseObject({
    phase: z.string().default(''),
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
  }),
});

async function readyPod({ cluster }: InstallWorld, { namespace, labelSelector }: ServicePort): Promise<string> {
  const pods = await cluster.list(KINDS.pod, { namespace, labelSelector });
  const ready = pods.find((pod) => {
    const { status } = podSchema.parse(pod);
    const isReady = status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
    return isReady && pod.metadata.deletionTimestamp === undefined;
  });
  if (ready !== undefined) return ready.metadata.name;
  throw new InstallerError('SERVICE_FAILED', `no pod with ${labelSelector} in ${namespace} is ready`, {
    fix: `kubectl --namespace ${namespace} describe pods --selector ${labelSelector}`,
  });
}

/** Opens a way from this machine to a service's pod, for as long as `use` takes. */
export async function withServicePort<T>(
  world: InstallWorld,
  service: ServicePort,
  use: (localPort: number) => Promise<T>,
): Promise<T> {
  const pod = await readyPod(world, service);
  const forward = await world.cluster.portForward({ namespace: service.namespace, pod, port: service.port });
  try {
    return await use(forward.port);
  } finally {
    await forward.close();
  }
}

/** A GET of a service behind {@link withServicePort}. */
export interface ServiceRequest {
  readonly localPort: number;
  /** The name that the service's certificate is for. */
  readonly host: string;
  readonly ca: string;
  readonly path: string;
}

const MAX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** GET over TLS; the certificate is checked against `ca` and `host`. @throws InstallerError `SERVICE_FAILED`. */
export function getFromService({ localPort, host, ca, path }: ServiceRequest): Promise<Buffer> {
  const failed = (why: string, cause?: unknown): InstallerError =>
    new InstallerError('SERVICE_FAILED', `https://${host}${path}: ${why}`, cause === undefined ? {} : { cause });
  return new Promise((resolve, reject) => {
    const request = https.get(
      {
        host: '127.0.0.1',
        port: localPort,
        path,
        ca,
        servername: host,
        headers: { host },
        timeout: TIMEOUT_MS,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.byteLength;
          if (size > MAX_BYTES) request.destroy(failed('the answer is too large'));
          else chunks.push(chunk);
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(Buffer.concat(chunks));
          else reject(failed(`HTTP status ${response.statusCode ?? 0}`));
        });
        response.on('error', (cause) => reject(failed('the answer broke off', cause)));
      },
    );
    request.on('timeout', () => request.destroy(failed(`no answer within ${TIMEOUT_MS} ms`)));
    request.on('error', (cause) => reject(cause instanceof InstallerError ? cause : failed('no answer', cause)));
  });
}
