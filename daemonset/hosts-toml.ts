import { isIP } from 'node:net';

import { parse } from 'smol-toml';

import type { ContainerdFeatures } from './containerd.ts';
import { DaemonsetError } from './daemonset-error.ts';

/** Where original image references lead to on a site. */
export interface MirrorSettings {
  /** Address of the site's registry as nodes reach it, `address` or `address:port`, e.g. its ClusterIP. */
  readonly registryAddress: string;
  /** Host path of the PEM file with the CA that the registry's certificate chains to. */
  readonly caFile: string;
  readonly features: ContainerdFeatures;
}

/** Name of the folder that containerd takes for every host without a folder of its own. */
export const DEFAULT_FOLDER = '_default';
/** The site registry's own name: its repositories have no host before them. */
export const SITE_REGISTRY = 'registry.sealift-system.svc.cluster.local';
/** The name under which Sealift's own images are known. */
export const SEALIFT_REGISTRY = 'registry.sealift.internal';

const HEADER =
  '# Written by the Sealift node agent. It is put back when changed; `sealift uninstall` restores what was here.\n';
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\])(?::[0-9]{1,5})?$/i;
// Nothing listens there, so the dial fails at once; the path says why in the error that kubelet shows.
const REFUSING = 'https://127.0.0.1:1/this-registry-is-not-mirrored-on-this-site';
const DIAL_TIMEOUT = '250ms';

/**
 * The folder below certs.d for a registry host: containerd looks for `host_port_` before `host:port`
 * (core/remotes/docker/config/hosts.go, hostPaths), so nothing that a vendor put there hides ours.
 * @throws DaemonsetError `HOSTS_TOML_INVALID` for what is no registry host.
 */
export function hostFolder(host: string): string {
  if (!HOST.test(host) || host.length > 255) {
    throw new DaemonsetError('HOSTS_TOML_INVALID', `not a registry host: ${JSON.stringify(host.slice(0, 100))}`);
  }
  const colon = host.endsWith(']') ? -1 : host.lastIndexOf(':');
  return colon === -1 ? host : `${host.slice(0, colon)}_${host.slice(colon + 1)}_`;
}

/** The content of every hosts.toml, by path below certs.d: one for each of `hosts`, the site's own names, and `_default`. */
export function hostsTomlFiles(hosts: Iterable<string>, settings: MirrorSettings): Map<string, string> {
  assertAddress(settings.registryAddress);
  const files = new Map<string, string>();
  for (const host of [...new Set([...hosts, SITE_REGISTRY, SEALIFT_REGISTRY])].sort()) {
    files.set(`${hostFolder(host)}/hosts.toml`, mirrorFile(mirrorUrl(host, settings.registryAddress), settings));
  }
  files.set(`${DEFAULT_FOLDER}/hosts.toml`, refusingFile(settings.features));
  return files;
}

/** Where containerd reads the repositories of `host`: below its name, or at the top for the registry's own. */
export function mirrorUrl(host: string, registryAddress: string): string {
  const base = `https://${registryAddress}/v2`;
  return host === SITE_REGISTRY ? base : `${base}/${host.toLowerCase()}`;
}

function mirrorFile(url: string, settings: MirrorSettings): string {
  return checkedFile(url, [
    `capabilities = ${capabilities(settings.features)}`,
    `ca = ${toml(settings.caFile)}`,
    'override_path = true',
    ...dialTimeout(settings.features),
  ]);
}

function refusingFile(features: ContainerdFeatures): string {
  return checkedFile(REFUSING, [
    `capabilities = ${capabilities(features)}`,
    'override_path = true',
    ...dialTimeout(features),
  ]);
}

function capabilities(features: ContainerdFeatures): string {
  return features.referrers ? '["pull", "resolve", "referrers"]' : '["pull", "resolve"]';
}

function dialTimeout(features: ContainerdFeatures): string[] {
  return features.dialTimeout ? [`dial_timeout = "${DIAL_TIMEOUT}"`] : [];
}

/**
 * `server` is the mirror itself: containerd tries it after every `[host]`, and without it would try the upstream.
 * Its options stand at the top of the file, before the first table.
 */
function checkedFile(url: string, options: readonly string[]): string {
  const text = `${HEADER}server = ${toml(url)}\n${options.join('\n')}\n\n[host.${toml(url)}]\n${options
    .map((option) => `  ${option}`)
    .join('\n')}\n`;
  assertOnlyHost(text, url);
  return text;
}

/** True for a hosts.toml that the node agent wrote, whatever it leads to. */
export function isSealiftFile(text: string): boolean {
  return text.startsWith(HEADER);
}

/** A TOML basic string. JSON's escapes are all TOML's too. */
function toml(text: string): string {
  return JSON.stringify(text);
}

/**
 * Parses a hosts.toml and checks that `url` is all that containerd would dial for it.
 * @throws DaemonsetError `HOSTS_TOML_INVALID`. containerd ignores a file that it can't read and goes upstream, so this
 * is checked before a file is written and again after it was read back.
 */
export function assertOnlyHost(text: string, url: string): void {
  const dialled = dialledHosts(text);
  if (dialled.length === 2 && dialled.every((each) => each === url)) return;
  throw new DaemonsetError('HOSTS_TOML_INVALID', `hosts.toml leads to ${dialled.join(', ')} instead of ${url} alone`);
}

/** Every host that containerd would try for a hosts.toml, in its order. @throws DaemonsetError `HOSTS_TOML_INVALID`. */
export function dialledHosts(text: string): string[] {
  let document: Record<string, unknown>;
  try {
    document = parse(text);
  } catch (cause) {
    throw new DaemonsetError('HOSTS_TOML_INVALID', 'hosts.toml is not TOML', { cause });
  }
  const { server, host } = document;
  const tables = typeof host === 'object' && host !== null ? Object.keys(host) : [];
  return [...tables, typeof server === 'string' ? server : '(the upstream registry)'];
}

/** An IPv6 address as URLs want it, in brackets; anything else as it is. */
export function withBrackets(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}

function assertAddress(address: string): void {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/.exec(address);
  const [, v6, host, port] = match ?? [];
  const isHost = v6 !== undefined ? isIP(v6) === 6 : host !== undefined && HOST.test(host);
  if (isHost && (port === undefined || (Number(port) > 0 && Number(port) < 65_536))) return;
  throw new DaemonsetError(
    'REGISTRY_ADDRESS_INVALID',
    `not an address of a registry: ${JSON.stringify(address.slice(0, 100))}`,
    { fix: 'give an IP address or host name, with a port if it is not 443; IPv6 in brackets', exitCode: 2 },
  );
}
