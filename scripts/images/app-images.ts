import { baseLayer, NONROOT, PATH_ENV } from './base-layer.ts';
import { debianFiles } from './debian-files.ts';
import type { Image, PlatformImage } from './image.ts';
import { program, textFile } from './layer-files.ts';

/**
 * The application images of the lab, all at `ghcr.io/acme/<name>:v1`: a web page each, so that no two have the same
 * digest. What is signed how is the connected side's business.
 */
export const APPLICATIONS = [
  'app',
  'web',
  'unsigned',
  'legacy',
  'wrong-identity',
  'borrowed-signature',
  'borrowed-log-entry',
  'tampered-signature',
] as const;
export type ApplicationName = (typeof APPLICATIONS)[number];

/** `ghcr.io/acme/<name>:v1`. */
export function applicationReference(name: ApplicationName): string {
  return `ghcr.io/acme/${name}:v1`;
}

/**
 * An index over amd64, which runs a web server on port 8080, and arm64, which holds other bytes and isn't meant to be
 * run here: it is there so that an index with children is carried, signed and checked.
 */
export async function applicationImage(name: ApplicationName): Promise<Image> {
  const [busybox = ''] = await debianFiles(['busybox-static']);
  const page = (architecture: string) => `<h1>ghcr.io/acme/${name}:v1</h1>\n<p>${architecture}</p>\n`;
  const base = await baseLayer();
  const config = {
    user: `${NONROOT}`,
    env: [PATH_ENV],
    entrypoint: ['/bin/busybox', 'httpd', '-f', '-p', '8080', '-h', '/www'],
    exposedPorts: ['8080/tcp'],
    labels: { 'org.opencontainers.image.title': name },
  };
  const amd64: PlatformImage = {
    architecture: 'amd64',
    config,
    layers: [base, [await program('bin/busybox', `${busybox}/bin/busybox`), textFile('www/index.html', page('amd64'))]],
  };
  const arm64: PlatformImage = {
    architecture: 'arm64',
    config,
    layers: [base, [textFile('www/index.html', page('arm64'))]],
  };
  return { reference: applicationReference(name), platforms: [amd64, arm64] };
}
