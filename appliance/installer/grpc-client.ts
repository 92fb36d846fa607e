import http2 from 'node:http2';

import { InstallerError } from './installer-error.ts';

/** A gRPC server behind TLS. */
export interface GrpcServer {
  readonly port: number;
  /** The name that its certificate is for. It is reached on 127.0.0.1. */
  readonly host: string;
  /** PEM of the CA of its certificate. */
  readonly ca: string;
}

/** What a server answered: a message, or a status other than OK. */
export type GrpcAnswer =
  | { readonly status: 0; readonly message: Buffer }
  | { readonly status: number; readonly error: string };

/** gRPC's code for something that is there already (google.rpc.Code). */
export const ALREADY_EXISTS = 6;

const TIMEOUT_MS = 30_000;
const MAX_MESSAGE = 16 * 1024 * 1024;

/**
 * Calls one unary method over a connection of its own (gRPC over HTTP/2, PROTOCOL-HTTP2.md).
 * @param method `/package.Service/Method`.
 * @throws InstallerError `SERVICE_FAILED` when there is no answer in gRPC's form.
 */
export async function callUnary(server: GrpcServer, method: string, request: Buffer): Promise<GrpcAnswer> {
  const session = http2.connect(`https://${server.host}`, {
    host: '127.0.0.1',
    port: server.port,
    servername: server.host,
    ca: server.ca,
  });
  try {
    return await exchange(session, method, request);
  } catch (cause) {
    if (cause instanceof InstallerError) throw cause;
    throw new InstallerError('SERVICE_FAILED', `${server.host}: ${method} got no answer`, { cause });
  } finally {
    session.destroy();
  }
}

function exchange(session: http2.ClientHttp2Session, method: string, request: Buffer): Promise<GrpcAnswer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': method,
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': `${TIMEOUT_MS}m`,
    });
    stream.setTimeout(TIMEOUT_MS, () => {
      stream.destroy(new InstallerError('SERVICE_FAILED', `${method}: no answer within ${TIMEOUT_MS} ms`));
    });
    const chunks: Buffer[] = [];
    let size = 0;
    let head: http2.IncomingHttpHeaders = {};
    stream.on('response', (headers) => {
      head = { ...head, ...headers };
    });
    stream.on('trailers', (headers: http2.IncomingHttpHeaders) => {
      head = { ...head, ...headers };
    });
    stream.on('data', (chunk: Buffer) => {
      size += chunk.byteLength;
      if (size > MAX_MESSAGE)
        stream.destroy(new InstallerError('SERVICE_FAILED', `${method}: the answer is too large`));
      else chunks.push(chunk);
    });
    stream.on('error', reject);
    stream.on('end', () => resolve(answerOf(head, Buffer.concat(chunks))));
    stream.end(framed(request));
  });
}

function framed(message: Buffer): Buffer {
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([frame, message]);
}

function answerOf(head: http2.IncomingHttpHeaders, body: Buffer): GrpcAnswer {
  const status = Number(head['grpc-status'] ?? '2');
  if (status !== 0) {
    const text = head['grpc-message'];
    return { status, error: typeof text === 'string' ? decodeURIComponent(text) : `gRPC status ${status}` };
  }
  const isWhole = body.byteLength >= 5 && body[0] === 0 && body.readUInt32BE(1) === body.byteLength - 5;
  return isWhole
    ? { status: 0, message: body.subarray(5) }
    : { status: 13, error: 'the answer is not one whole message' };
}
