import { z } from 'zod';

import type { ApiConnection } from './api-connection.ts';
import { isKubeError, KubeError } from './kube-error.ts';
import type { KindRef, ObjectRef } from './kube-object.ts';

const resourceListSchema = z.looseObject({
  resources: z.array(z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() })).max(2000),
});

/** How a kind is spelt in paths. */
export interface Resource {
  readonly plural: string;
  readonly namespaced: boolean;
}

/** Finds the paths of kinds by asking the server (API discovery), and remembers them; unknown kinds are asked again. */
export class ApiKinds {
  readonly #connection: ApiConnection;
  readonly #known = new Map<string, ReadonlyMap<string, Resource>>();

  constructor(connection: ApiConnection) {
    this.#connection = connection;
  }

  /** The resource of a kind. @throws KubeError `KIND_UNKNOWN` when the server doesn't serve it. */
  async resourceOf(kind: KindRef): Promise<Resource> {
    const known = this.#known.get(kind.apiVersion)?.get(kind.kind);
    if (known !== undefined) return known;
    const discovered = await this.#discover(kind.apiVersion);
    this.#known.set(kind.apiVersion, discovered);
    const resource = discovered.get(kind.kind);
    if (resource === undefined) {
      throw new KubeError('KIND_UNKNOWN', `the cluster does not know ${kind.kind} of ${kind.apiVersion}`);
    }
    return resource;
  }

  /** The path of the collection of a kind, in a namespace or over all. */
  async collectionPath(kind: KindRef, namespace: string | undefined): Promise<string> {
    const { plural, namespaced } = await this.resourceOf(kind);
    const scope = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
    return `${rootOf(kind.apiVersion)}${scope}/${plural}`;
  }

  /** The path of one object. @throws KubeError `INVALID` when a namespaced kind comes without its namespace. */
  async objectPath({ kind, name, namespace }: ObjectRef): Promise<string> {
    const { namespaced } = await this.resourceOf(kind);
    if (namespaced && namespace === undefined) {
      throw new KubeError('INVALID', `${kind.kind} ${name}: its namespace is missing`);
    }
    return `${await this.collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
  }

  async #discover(apiVersion: string): Promise<ReadonlyMap<string, Resource>> {
    try {
      const answer = await this.#connection.json({ path: rootOf(apiVersion), what: `resources of ${apiVersion}` });
      const { resources } = resourceListSchema.parse(answer);
      const own = resources.filter((resource) => !resource.name.includes('/'));
      return new Map(own.map(({ name, kind, namespaced }) => [kind, { plural: name, namespaced }]));
    } catch (error) {
      if (isKubeError(error, 'NOT_FOUND')) return new Map();
      throw error;
    }
  }
}

function rootOf(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
