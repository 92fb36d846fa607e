import type { ImagePolicy } from './policy.ts';
import type { MatchDocument } from './policy-schema.ts';

/** What a policy's `match` and its policy bodies may look at: the object that names the image. */
export interface WorkloadFacts {
  /** Plural resource name, e.g. `deployments`. */
  readonly resource: string;
  readonly group: string;
  readonly version: string;
  /** The object's own labels. */
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The policies for an image, all of which must pass. Globs are compared with `host/repository@sha256:…`, as upstream
 * does at admission, and with `host/repository`: a tag never takes part, since it proves nothing. Docker Hub matches
 * under both its names.
 * @param image `host/repository@sha256:…`.
 * @param workload the object that names the image; without it, `match` entries are taken as matching.
 */
export function matchingPolicies(
  policies: readonly ImagePolicy[],
  image: string,
  workload?: WorkloadFacts,
): ImagePolicy[] {
  const names = spellingsOf(image);
  return policies.filter(
    ({ globs, match }) =>
      globs.some((glob) => names.some((name) => glob.matches(name))) &&
      (match.length === 0 || workload === undefined || match.some((entry) => matchesWorkload(entry, workload))),
  );
}

function spellingsOf(image: string): string[] {
  const at = image.indexOf('@');
  const spellings = at === -1 ? [image] : [image, image.slice(0, at)];
  if (!image.startsWith('docker.io/')) return spellings;
  return [...spellings, ...spellings.map((name) => `index.${name}`)];
}

function matchesWorkload({ resource, group, version, selector }: MatchDocument, workload: WorkloadFacts): boolean {
  const isKind = isAny(resource) ? isAny(group) || group === workload.group : isResource(resource, group, workload);
  const isVersion = isAny(version) || version === '*' || version === workload.version;
  return isKind && isVersion && (selector === undefined || matchesLabels(selector, workload.labels));
}

function isResource(resource: string | undefined, group = '', workload: WorkloadFacts): boolean {
  return resource === workload.resource && group === workload.group;
}

function isAny(text: string | undefined): boolean {
  return text === undefined || text === '';
}

type Selector = NonNullable<MatchDocument['selector']>;

function matchesLabels(
  { matchLabels = {}, matchExpressions = [] }: Selector,
  labels: Readonly<Record<string, string>>,
): boolean {
  const valueOf = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  return (
    Object.entries(matchLabels).every(([key, value]) => valueOf(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = valueOf(key);
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        default:
          return value === undefined;
      }
    })
  );
}
