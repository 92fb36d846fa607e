import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '../../appliance/kernel/atomic-file.ts';
import { ADDRESSES, API_SERVER_PORT, type LabLayout } from './layout.ts';
import { keyPair } from './pki.ts';

/** The API server's address, from every place of the site. */
export const API_SERVER = `https://${ADDRESSES.controlPlane}:${API_SERVER_PORT}`;

/** What a kubeconfig holds, each as PEM. */
export interface Credentials {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** A kubeconfig for one user, as JSON (which is YAML), with everything inside it. */
export function renderKubeconfig(user: string, { authority, certificate, key }: Credentials): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server: API_SERVER, 'certificate-authority-data': base64(authority) } }],
    users: [{ name: user, user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user } }],
    'current-context': 'lab',
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Writes the kubeconfig of the one whose certificate is called `user` to `file`. */
export async function writeKubeconfig(layout: LabLayout, user: string, file: string): Promise<void> {
  const pair = keyPair(layout, user);
  const [authority, certificate, key] = await Promise.all(
    [path.join(layout.pkiDir, 'ca.crt'), pair.certificate, pair.key].map((name) => readFile(name, 'utf8')),
  );
  const credentials = { authority: authority ?? '', certificate: certificate ?? '', key: key ?? '' };
  await writeFileAtomic(file, renderKubeconfig(user, credentials), { mode: 0o600 });
}
