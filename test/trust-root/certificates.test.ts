import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';

import {
  createFulcioIntermediate,
  createFulcioRoot,
  createServerCertificate,
  createSiteCa,
  createTsaIntermediate,
  createTsaLeaf,
  createTsaRoot,
  pemChain,
  validFor,
} from '../../trust-root/certificates.ts';
import { generateKey } from '../../trust-root/keys.ts';
import { readCertificate, splitPemChain } from '../../trust-root/x509.ts';
import { openssl } from '../support/openssl.ts';

const START = new Date('2026-11-21T06:00:00.500Z');
const name = (commonName: string) => ({ commonName, organization: 'site.example' });

interface VerifyInputs {
  readonly root: string;
  readonly untrusted?: string;
  readonly leaf: string;
  readonly options?: readonly string[];
}

async function opensslVerify({ root, untrusted, leaf, options = [] }: VerifyInputs): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-x509-'));
  try {
    const file = (base: string): string => path.join(folder, base);
    await writeFile(file('root'), root);
    await writeFile(file('leaf'), leaf);
    await writeFile(file('untrusted'), untrusted ?? '');
    const middle = untrusted === undefined ? [] : ['-untrusted', file('untrusted')];
    const time = ['-attime', String(Math.floor(START.getTime() / 1000) + 3600)];
    const own = ['-no-CApath', '-no-CAstore', '-CAfile', file('root')];
    return await openssl(['verify', '-x509_strict', ...own, ...middle, ...time, ...options, file('leaf')]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function sections(t: ExecutionContext, pem: string, expected: readonly RegExp[]): Promise<void> {
  const text = await openssl(['x509', '-noout', '-text'], pem);
  for (const pattern of expected) t.regex(text, pattern);
}

async function siteCa() {
  const key = generateKey('p256');
  const certificate = await createSiteCa({ subject: name('Site CA'), key, validity: validFor(START, 3650) });
  return { certificate, key };
}

test('the site CA is a CA that issues leaves only', async (t) => {
  const ca = await siteCa();
  await sections(t, ca.certificate, [
    /X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/,
    /X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign\n/,
    /Signature Algorithm: ecdsa-with-SHA256/,
    /Subject: O = site\.example, CN = Site CA/,
  ]);
  t.regex(await opensslVerify({ root: ca.certificate, leaf: ca.certificate }), /OK/);
});

test('a server certificate holds its DNS names and addresses, and verifies for them', async (t) => {
  const issuer = await siteCa();
  const leaf = await createServerCertificate(
    { subject: name('rekor'), key: generateKey('p256'), validity: validFor(START, 90), issuer },
    { dnsNames: ['rekor.sigstore-system.svc.cluster.local', 'rekor'], ipAddresses: ['10.96.0.7', 'fd00::7'] },
  );
  await sections(t, leaf, [
    /DNS:rekor\.sigstore-system\.svc\.cluster\.local, DNS:rekor, IP Address:10\.96\.0\.7, IP Address:FD00:/,
    /X509v3 Basic Constraints: critical\s+CA:FALSE/,
    /X509v3 Extended Key Usage:\s+TLS Web Server Authentication/,
  ]);
  const verify = (options: string[]) =>
    opensslVerify({ root: issuer.certificate, leaf, options: ['-purpose', 'sslserver', ...options] });
  t.regex(await verify(['-verify_hostname', 'rekor.sigstore-system.svc.cluster.local']), /OK/);
  t.regex(await verify(['-verify_ip', '10.96.0.7']), /OK/);
  await t.throwsAsync(verify(['-verify_hostname', 'fulcio']), { message: /hostname mismatch/i });
  t.deepEqual(readCertificate(leaf).ipAddresses, ['10.96.0.7', 'FD00:0:0:0:0:0:0:7']);
});

test("Fulcio's intermediate may sign code, issues leaves only, and chains to its root", async (t) => {
  const rootKey = generateKey('p256');
  const root = await createFulcioRoot({ subject: name('Fulcio root'), key: rootKey, validity: validFor(START, 3650) });
  const intermediate = await createFulcioIntermediate({
    subject: name('Fulcio'),
    key: generateKey('p256'),
    validity: validFor(START, 1825),
    issuer: { certificate: root, key: rootKey },
  });
  await sections(t, intermediate, [/CA:TRUE, pathlen:0\n/, /X509v3 Extended Key Usage:\s+Code Signing\n/]);
  await sections(t, root, [/CA:TRUE, pathlen:1\n/]);
  t.regex(await opensslVerify({ root, leaf: intermediate }), /OK/);
  t.deepEqual(splitPemChain(pemChain(intermediate, root)).length, 2);
});

test("the TSA's chain verifies for timestamping, its leaf's only purpose, critical", async (t) => {
  const [rootKey, intermediateKey] = [generateKey('p256'), generateKey('p256')];
  const root = await createTsaRoot({ subject: name('TSA root'), key: rootKey, validity: validFor(START, 3650) });
  const intermediate = await createTsaIntermediate({
    subject: name('TSA CA'),
    key: intermediateKey,
    validity: validFor(START, 3650),
    issuer: { certificate: root, key: rootKey },
  });
  const leaf = await createTsaLeaf({
    subject: name('TSA'),
    key: generateKey('p256'),
    validity: validFor(START, 3650),
    issuer: { certificate: intermediate, key: intermediateKey },
  });
  await sections(t, leaf, [
    /X509v3 Extended Key Usage: critical\s+Time Stamping\n/,
    /X509v3 Key Usage: critical\s+Digital Signature\n/,
  ]);
  await sections(t, intermediate, [/X509v3 Extended Key Usage:\s+Time Stamping\n/]);
  const options = ['-purpose', 'timestampsign'];
  t.regex(await opensslVerify({ root, untrusted: intermediate, leaf, options }), /OK/);
});

test('a certificate that would outlive its issuer is refused', async (t) => {
  const issuer = await siteCa();
  const subject = { subject: name('late'), key: generateKey('p256'), validity: validFor(START, 3651), issuer };
  await t.throwsAsync(() => createServerCertificate(subject, { dnsNames: ['late'] }), { code: 'CERTIFICATE_INVALID' });
});

test("an issuer's key that is not its certificate's is refused", async (t) => {
  const { certificate } = await siteCa();
  const issuer = { certificate, key: generateKey('p256') };
  const subject = { subject: name('x'), key: generateKey('p256'), validity: validFor(START, 1), issuer };
  await t.throwsAsync(() => createServerCertificate(subject, { dnsNames: ['x'] }), { code: 'CERTIFICATE_INVALID' });
});

test('serial numbers are positive, 16 bytes, and differ', async (t) => {
  const serials = await Promise.all(
    [siteCa(), siteCa()].map(async (ca) => readCertificate((await ca).certificate).serialNumber),
  );
  t.not(serials[0], serials[1]);
  for (const serial of serials) t.regex(serial, /^[4-7][0-9A-F]{31}$/);
});
