import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ExecutionContext } from 'ava';

import { createServerCertificate, createSiteCa, validFor } from '../../../trust-root/certificates.ts';
import { generateKey } from '../../../trust-root/keys.ts';

/** A site CA and a folder with a server's `tls.crt` and `tls.key` under it. */
export interface SiteTls {
  readonly ca: string;
  readonly folder: string;
  /** Puts a new certificate for the same names into the folder. */
  readonly renew: () => Promise<void>;
}

/** Makes a CA and a certificate for localhost, 127.0.0.1 and `names` in a folder that goes away after the test. */
export async function siteTls(t: Pick<ExecutionContext, 'teardown'>, ...names: string[]): Promise<SiteTls> {
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-tls-'));
  t.teardown(async () => await rm(base, { recursive: true, force: true }));
  const caKey = generateKey('p256');
  const validity = validFor(new Date(Date.now() - 60_000), 2);
  const ca = await createSiteCa({ subject: { commonName: 'Test CA', organization: 'Test' }, key: caKey, validity });
  const folder = path.join(base, 'tls');
  const renew = async (): Promise<void> => {
    const key = generateKey('p256');
    const certificate = await createServerCertificate(
      {
        subject: { commonName: 'server', organization: 'Test' },
        key,
        validity: { notBefore: validity.notBefore, notAfter: new Date(validity.notAfter.getTime() - 86_400_000) },
        issuer: { certificate: ca, key: caKey },
      },
      { dnsNames: ['localhost', ...names], ipAddresses: ['127.0.0.1'] },
    );
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'tls.crt'), certificate);
    await writeFile(path.join(folder, 'tls.key'), key.export({ type: 'pkcs8', format: 'pem' }));
  };
  await renew();
  return { ca, folder, renew };
}
