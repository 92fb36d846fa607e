import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ADDRESSES, type LabLayout, NODE_NAMES } from './layout.ts';
import { run } from './program.ts';

/** One certificate of the cluster, and the key that goes with it. */
export interface CertificateRequest {
  /** File name without ending. */
  readonly file: string;
  /** Who signs it: `ca` for the cluster, `front-proxy-ca` for the aggregation layer. */
  readonly issuer: 'ca' | 'front-proxy-ca';
  readonly subject: string;
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly names?: readonly string[];
}

/** The certificates of a cluster, as kubeadm lays them out. */
export function clusterCertificates(): CertificateRequest[] {
  const client = (file: string, subject: string): CertificateRequest => ({
    file,
    issuer: 'ca',
    subject,
    usage: 'clientAuth',
  });
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  const dns = [...service, 'kubernetes.default.svc.cluster.local', 'localhost'].map((name) => `DNS:${name}`);
  const ips = [ADDRESSES.apiService, ADDRESSES.controlPlane, '127.0.0.1'].map((ip) => `IP:${ip}`);
  return [
    { file: 'apiserver', issuer: 'ca', subject: '/CN=kube-apiserver', usage: 'serverAuth', names: [...dns, ...ips] },
    client('apiserver-kubelet-client', '/O=system:masters/CN=kube-apiserver-kubelet-client'),
    client('admin', '/O=system:masters/CN=kubernetes-admin'),
    client('controller-manager', '/CN=system:kube-controller-manager'),
    client('scheduler', '/CN=system:kube-scheduler'),
    client('kube-proxy', '/CN=system:kube-proxy'),
    ...NODE_NAMES.map((node) => client(node, `/O=system:nodes/CN=system:node:${node}`)),
    { file: 'front-proxy-client', issuer: 'front-proxy-ca', subject: '/CN=front-proxy-client', usage: 'clientAuth' },
  ];
}

/**
 * Makes the cluster's keys and certificates in `layout.pkiDir`: two authorities and the service-account key (RSA, as
 * kubeadm's are, since that decides how service-account tokens are signed), and everyone's certificate.
 */
export async function makePki(layout: LabLayout): Promise<void> {
  const { pkiDir } = layout;
  await mkdir(pkiDir, { recursive: true, mode: 0o700 });
  await Promise.all([
    makeAuthority(pkiDir, 'ca', '/CN=kubernetes'),
    makeAuthority(pkiDir, 'front-proxy-ca', '/CN=front-proxy-ca'),
    openssl(pkiDir, ['genrsa', '-out', 'sa.key', '2048']),
  ]);
  await openssl(pkiDir, ['rsa', '-in', 'sa.key', '-pubout', '-out', 'sa.pub']);
  for (const request of clusterCertificates()) await makeCertificate(pkiDir, request);
}

async function makeAuthority(pkiDir: string, file: string, subject: string): Promise<void> {
  await openssl(pkiDir, [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-days', '3650', '-subj', subject],
    ...['-addext', 'keyUsage=critical,digitalSignature,keyCertSign', '-keyout', `${file}.key`, '-out', `${file}.crt`],
  ]);
}

async function makeCertificate(pkiDir: string, { file, issuer, subject, usage, names }: CertificateRequest) {
  await openssl(pkiDir, [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '3650'],
    ...['-subj', subject, '-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'keyUsage=critical,digitalSignature'],
    ...['-addext', `extendedKeyUsage=${usage}`],
    ...(names === undefined ? [] : ['-addext', `subjectAltName=${names.join(',')}`]),
    ...['-keyout', `${file}.key`, '-out', `${file}.crt`],
  ]);
}

async function openssl(cwd: string, words: readonly string[]): Promise<void> {
  await run(['openssl', ...words], { cwd });
}

/** The certificate file and the key file called `file`. */
export function keyPair(layout: LabLayout, file: string): { certificate: string; key: string } {
  return { certificate: path.join(layout.pkiDir, `${file}.crt`), key: path.join(layout.pkiDir, `${file}.key`) };
}
