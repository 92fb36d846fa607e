import { createPrivateKey, createPublicKey } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import path from 'node:path';
import { KEY_ID } from './identity-token.ts';
import { PORTS, type UpstreamPaths } from './upstream.ts';

/** Serves the files below `root`, and nothing else; what isn't there is 404, which TUF clients rely on. */
export function fileHandler(root: string): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const wanted = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const file = path.join(root, path.normalize(wanted));
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
    stat(file).then(
      (found) => {
        if (!found.isFile()) return void response.writeHead(404).end();
        response.writeHead(200, { 'content-length': found.size, 'content-type': 'application/octet-stream' });
        if (request.method === 'HEAD') response.end();
        else createReadStream(file).pipe(response);
      },
      () => void response.writeHead(404).end(),
    );
  };
}

/** OpenID Connect discovery and keys, for whichever issuer's name the client asked by. */
export function issuerHandler(keys: object): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const issuer = `https://${request.headers.host ?? ''}`;
    const documents: Record<string, object> = {
      '/keys': keys,
      '/.well-known/openid-configuration': {
        issuer,
        jwks_uri: `${issuer}/keys`,
        authorization_endpoint: `${issuer}/authorize`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      },
    };
    const found = documents[request.url ?? ''];
    if (found === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found));
  };
}

/** The connected side's own servers, in one process: the issuers, the TUF repository, Rekor v2's tiles. */
async function serve(paths: UpstreamPaths): Promise<void> {
  const [pem, cert, key] = await Promise.all([
    readFile(path.join(paths.keys, 'issuer.pem'), 'utf8'),
    readFile(path.join(paths.certificates, 'web.pem')),
    readFile(path.join(paths.keys, 'web.key.pem')),
  ]);
  const jwk = createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' });
  const keys = { keys: [{ ...jwk, kid: KEY_ID, use: 'sig', alg: 'ES256' }] };
  createTlsServer({ cert, key }, issuerHandler(keys)).listen(PORTS.issuers, '127.0.0.1');
  createServer(fileHandler(paths.tuf)).listen(PORTS.tuf, '127.0.0.1');
  createServer(fileHandler(paths.tiles)).listen(PORTS.rekorTiles, '127.0.0.1');
}

if (import.meta.main) await serve(JSON.parse(process.argv[2] ?? '') as UpstreamPaths);
