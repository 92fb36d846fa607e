import { KernelError } from './coded-error.ts';
import { type Digest, isDigest, parseDigest } from './digest.ts';

/**
 * A fully qualified image reference. `host` and `repository` are always there; a tag, a digest or both may be.
 * Normalised as containerd and Docker do: `nginx` is `docker.io/library/nginx:latest`.
 */
export interface ImageReference {
  /** Registry host with its port, e.g. `docker.io`, `localhost:5000`. */
  readonly host: string;
  /** Path below the host, e.g. `library/nginx`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

const HOST =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
const MAX_NAME = 255;

function splitHost(name: string): { host: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash === -1 ? '' : name.slice(0, slash);
  // The first component is a host when it can't be a path: it has a dot, a port, an upper-case letter, or is localhost.
  const isHost = /[.:A-Z]/.test(first) || first === 'localhost';
  const host = isHost ? first : 'docker.io';
  const path = isHost ? name.slice(slash + 1) : name;
  if (host !== 'docker.io' && host !== 'index.docker.io') return { host, repository: path };
  return { host: 'docker.io', repository: path.includes('/') ? path : `library/${path}` };
}

function splitTag(rest: string): { name: string; tag?: string } {
  const colon = rest.lastIndexOf(':');
  if (colon === -1 || rest.includes('/', colon)) return { name: rest };
  return { name: rest.slice(0, colon), tag: rest.slice(colon + 1) };
}

/**
 * Reads an image reference as Kubernetes takes it in a container's `image` (distribution reference grammar).
 * Without tag and digest the tag is `latest`.
 * @throws KernelError `REFERENCE_INVALID`.
 */
export function parseImageReference(text: string): ImageReference {
  const at = text.indexOf('@');
  const digest = at === -1 ? undefined : text.slice(at + 1);
  const { name, tag = digest === undefined ? 'latest' : undefined } = splitTag(at === -1 ? text : text.slice(0, at));
  const { host, repository } = splitHost(name);
  const wrong = faultOf({ host, repository, tag, digest });
  if (wrong !== undefined) {
    throw new KernelError(
      'REFERENCE_INVALID',
      `not an image reference: ${JSON.stringify(text.slice(0, 300))} (${wrong})`,
    );
  }
  return {
    host,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: parseDigest(digest) }),
  };
}

interface Parts {
  readonly host: string;
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

function faultOf({ host, repository, tag, digest }: Parts): string | undefined {
  if (digest !== undefined && !isDigest(digest)) return 'the digest is not sha256 and 64 hex digits';
  if (tag !== undefined && !TAG.test(tag)) return 'the tag is malformed';
  if (!HOST.test(host)) return 'the registry host is malformed';
  if (host.length + repository.length > MAX_NAME) return `longer than ${MAX_NAME} characters`;
  if (!repository.split('/').every((part) => PATH_COMPONENT.test(part))) return 'the repository is malformed';
  return undefined;
}

/** `host/repository`, the name without tag and digest. */
export function repositoryName(reference: ImageReference): string {
  return `${reference.host}/${reference.repository}`;
}

/** The full text of a reference, with its tag and digest where it has them. */
export function formatImageReference(reference: ImageReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${repositoryName(reference)}${tag}${digest}`;
}

/** `host/repository@digest`: the reference pinned to `digest`, its tag left out. */
export function pinnedReference(reference: ImageReference, digest: Digest): string {
  return `${repositoryName(reference)}@${digest}`;
}
