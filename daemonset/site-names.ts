import type { MirrorMap } from '../mirror/mirror-map.ts';
import { SITE_REGISTRY } from './hosts-toml.ts';

/** An image's name: registry host, and the repository below it. */
export interface ImageName {
  readonly host: string;
  readonly repository: string;
}

/**
 * The name that a repository of the site's registry goes by in image references: `ghcr.io/acme/app` lies there under just
 * that path; a repository without a host before it was pushed on the site and belongs to the registry itself.
 * `undefined` for one that has no name in references.
 */
export function nameOfRepository(path: string): ImageName | undefined {
  const slash = path.indexOf('/');
  const first = slash === -1 ? '' : path.slice(0, slash);
  if (first.includes('.') || first.includes(':') || first === 'localhost') {
    return { host: first, repository: path.slice(slash + 1) };
  }
  return path === '' ? undefined : { host: SITE_REGISTRY, repository: path };
}

/** `host/repository` in its two parts; `undefined` when it is none. */
export function splitName(name: string): ImageName | undefined {
  const slash = name.indexOf('/');
  if (slash <= 0 || slash === name.length - 1) return undefined;
  return { host: name.slice(0, slash), repository: name.slice(slash + 1) };
}

/** Where a registry client finds every original name: in the site's registry at `url`. */
export function siteMirrors(url: string): MirrorMap {
  return { [SITE_REGISTRY]: url, '*': url };
}
