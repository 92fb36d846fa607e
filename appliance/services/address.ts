import type { Server } from 'node:net';

import { ServiceError } from './service-error.ts';

/** Where a server listens, or what it connects to. */
export interface Address {
  /** IP address or host name, without brackets; undefined when listening: every address of the machine. */
  readonly host?: string;
  readonly port: number;
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]*)):([0-9]{1,5})$/;

/** Reads `:8443`, `127.0.0.1:0`, `[::]:8443` or `name:443`. @throws ServiceError `ADDRESS_INVALID`. */
export function parseAddress(text: string): Address {
  const [, v6, name = '', port = ''] = ADDRESS.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535) {
    throw new ServiceError('ADDRESS_INVALID', `not an address with a port: ${JSON.stringify(text.slice(0, 200))}`, {
      fix: 'give host:port, or :port for every address of the machine',
    });
  }
  const host = v6 ?? name;
  return { port: Number(port), ...(host === '' ? {} : { host }) };
}

/** Starts listening and gives the port, which the system chose when 0 was asked for. @throws ServiceError `LISTEN_FAILED`. */
export async function listen(server: Server, address: Address): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const where = `${address.host ?? '*'}:${address.port}`;
      reject(new ServiceError('LISTEN_FAILED', `${where}: could not listen there`, { cause }));
    });
    server.listen({ ...address, backlog: 511 }, resolve);
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : address.port;
}
