import { parseGlob } from './glob.ts';
import { parsePattern } from './pattern.ts';
import type {
  AttestationDocument,
  AuthorityDocument,
  IdentityDocument,
  KeylessDocument,
  KeyRefDocument,
  MatchDocument,
  PolicyBodyDocument,
  PolicyDocument,
} from './policy-schema.ts';
import { HASH_NAMES, parseManagedKey } from './public-key.ts';

// What must hold between fields. Messages follow upstream's (`missing field(s): …`), which people search for.

/** Adds one complaint about the document. */
type Complain = (message: string) => void;

const RESOURCES = new Set(['replicasets', 'deployments', 'pods', 'cronjobs', 'jobs', 'statefulsets', 'daemonsets']);
const OPERATORS = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist']);
const AWS_ARN = /^awskms:\/\/([^/]*)\/arn:(?:aws|aws-us-gov|aws-cn):kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)\/[^/]+$/;
const HOST_AND_PORT = /^[^:/]+:[0-9]+$/;

/** Everything that is wrong with a document of the right shape; empty when it can be used. */
export function faultsOf({ spec }: PolicyDocument): string[] {
  const faults: string[] = [];
  const complain: Complain = (message) => faults.push(message);
  const { images = [], authorities = [], match = [], mode } = spec;
  if (images.length === 0) complain(missing('spec.images'));
  images.forEach(({ glob }, index) => checkGlob(glob, `spec.images[${index}].glob`, complain));
  if (authorities.length === 0) complain(missing('spec.authorities'));
  authorities.forEach((authority, index) => checkAuthority(authority, `spec.authorities[${index}]`, complain));
  checkOneOf(mode, ['enforce', 'warn'], { path: 'spec.mode', complain });
  match.forEach((entry, index) => checkMatch(entry, `spec.match[${index}]`, complain));
  if (spec.policy !== undefined) checkBody(spec.policy, 'spec.policy', complain);
  return faults;
}

function missing(...paths: string[]): string {
  return `missing field(s): ${paths.join(', ')}`;
}

function invalid(value: string, path: string, why = ''): string {
  return `invalid value: ${value.trim().slice(0, 200)}: ${path}${why === '' ? '' : ` (${why})`}`;
}

function checkGlob(glob: string | undefined, path: string, complain: Complain): void {
  if (glob === undefined || glob === '') complain(missing(path));
  else if (parseGlob(glob) === undefined) complain(invalid(glob, path, 'letters, digits and -_:/*.@ only'));
}

interface Place {
  readonly path: string;
  readonly complain: Complain;
}

function checkOneOf(value: string | undefined, allowed: readonly string[], { path, complain }: Place): void {
  if (value !== undefined && value !== '' && !allowed.includes(value)) {
    complain(invalid(value, path, `expected ${allowed.join(' or ')}`));
  }
}

/** Exactly one of `fields` must be there. */
function checkExactlyOne(fields: Readonly<Record<string, unknown>>, { path, complain }: Place): boolean {
  const names = Object.keys(fields)
    .map((name) => `${path}.${name}`)
    .join(', ');
  const present = Object.values(fields).filter((value) => value !== undefined && value !== '').length;
  if (present === 0) complain(`expected exactly one, got neither: ${names}`);
  if (present > 1) complain(`expected exactly one, got both: ${names}`);
  return present === 1;
}

function checkAuthority(authority: AuthorityDocument, path: string, complain: Complain): void {
  const { key, keyless, static: fixed } = authority;
  if (!checkExactlyOne({ key, keyless, static: fixed }, { path, complain }) && keyless === undefined) return;
  if (key !== undefined) checkKey(key, `${path}.key`, complain);
  if (keyless !== undefined) checkKeyless(keyless, `${path}.keyless`, complain);
  if (fixed !== undefined) checkStatic(authority, path, complain);
  checkEvidenceOptions(authority, path, complain);
}

function checkEvidenceOptions(authority: AuthorityDocument, path: string, complain: Complain): void {
  const { ctlog, signatureFormat, source = [], attestations = [] } = authority;
  checkUrl(ctlog?.url, `${path}.ctlog.url`, complain);
  checkOneOf(signatureFormat, ['legacy', 'bundle'], { path: `${path}.signatureFormat`, complain });
  if (source.length > 1) complain(`${path}.source: at most one entry is taken`);
  attestations.forEach((attestation, index) =>
    checkAttestation(attestation, `${path}.attestations[${index}]`, complain),
  );
}

function checkStatic(authority: AuthorityDocument, path: string, complain: Complain): void {
  const { static: fixed, attestations, source, ctlog, rfc3161timestamp } = authority;
  if (fixed?.action === undefined || fixed.action === '') complain(missing(`${path}.static.action`));
  checkOneOf(fixed?.action, ['pass', 'fail'], { path: `${path}.static.action`, complain });
  for (const [field, value] of Object.entries({ attestations, source, ctlog, rfc3161timestamp })) {
    if (value !== undefined) complain(`expected exactly one, got both: ${path}.static, ${path}.${field}`);
  }
}

function checkKey(key: KeyRefDocument, path: string, complain: Complain): void {
  const { data, kms, secretRef } = key;
  checkExactlyOne({ data, kms, secretref: secretRef }, { path, complain });
  checkOneOf(key.hashAlgorithm, HASH_NAMES, { path: `${path}.hashAlgorithm`, complain });
  if (data !== undefined && data !== '' && parseManagedKey(data) === undefined) {
    complain(invalid(data, `${path}.data`, 'no PEM public key: ECDSA P-256/384/521, Ed25519 or RSA of 2048 bits'));
  }
  if (secretRef !== undefined && (secretRef.name ?? '') === '') complain(missing(`${path}.secretRef.name`));
  if (kms !== undefined && kms !== '') checkKms(kms, `${path}.kms`, complain);
}

function checkKms(kms: string, path: string, complain: Complain): void {
  if (!/^(?:awskms|azurekms|gcpkms|hashivault|openbao):\/\//.test(kms)) {
    complain(invalid(kms, path, 'expected awskms://, azurekms://, gcpkms://, hashivault:// or openbao://'));
    return;
  }
  if (!kms.startsWith('awskms://')) return;
  const endpoint = AWS_ARN.exec(kms)?.[1];
  if (endpoint === undefined) complain(invalid(kms, path, 'expected awskms://[HOST:PORT]/ARN of a key or an alias'));
  else if (endpoint !== '' && !HOST_AND_PORT.test(endpoint)) complain(invalid(kms, path, 'malformed endpoint'));
}

function checkKeyless(keyless: KeylessDocument, path: string, complain: Complain): void {
  const { url, 'ca-cert': caCert, identities = [] } = keyless;
  if (url !== undefined && caCert !== undefined) {
    complain(`expected exactly one, got both: ${path}.ca-cert, ${path}.url`);
  }
  checkUrl(url, `${path}.url`, complain);
  if (caCert !== undefined) checkCaCert(caCert, `${path}.ca-cert`, complain);
  if (identities.length === 0) complain(`${missing(`${path}.identities`)} (Invalid value: at least one is needed)`);
  identities.forEach((identity, index) => checkIdentity(identity, `${path}.identities[${index}]`, complain));
}

function checkCaCert(caCert: KeyRefDocument, path: string, complain: Complain): void {
  const { data, kms, secretRef } = caCert;
  checkExactlyOne({ data, kms, secretref: secretRef }, { path, complain });
  if (kms !== undefined && kms !== '') checkKms(kms, `${path}.kms`, complain);
}

function checkUrl(url: string | undefined, path: string, complain: Complain): void {
  if (url === undefined || url === '') return;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) complain(invalid(url, path, 'not an HTTP URL'));
}

function checkIdentity(identity: IdentityDocument, path: string, complain: Complain): void {
  for (const [exact, pattern] of [
    ['issuer', 'issuerRegExp'],
    ['subject', 'subjectRegExp'],
  ] as const) {
    const hasExact = (identity[exact] ?? '') !== '';
    const source = identity[pattern] ?? '';
    if (hasExact && source !== '') complain(`expected exactly one, got both: ${path}.${exact}, ${path}.${pattern}`);
    if (!hasExact && source === '') complain(missing(`${path}.${exact}`, `${path}.${pattern}`));
    if (source !== '' && parsePattern(source) === undefined) {
      complain(invalid(source, `${path}.${pattern}`, 'not an RE2 pattern'));
    }
  }
}

function checkAttestation(attestation: AttestationDocument, path: string, complain: Complain): void {
  if ((attestation.name ?? '') === '') complain(missing(`${path}.name`));
  if ((attestation.predicateType ?? '') === '') complain(missing(`${path}.predicateType`));
  if (attestation.policy === undefined) return;
  checkBody(attestation.policy, `${path}.policy`, complain);
  for (const field of ['fetchConfigFile', 'includeSpec', 'includeObjectMeta', 'includeTypeMeta'] as const) {
    if (attestation.policy[field] !== undefined) complain(`must not set the field(s): ${path}.policy.${field}`);
  }
}

function checkBody(body: PolicyBodyDocument, path: string, complain: Complain): void {
  const { data, remote, configMapRef } = body;
  if ((body.type ?? '') === '') complain(missing(`${path}.type`));
  checkOneOf(body.type, ['cue', 'rego'], { path: `${path}.type`, complain });
  checkExactlyOne({ data, remote, configMapRef }, { path, complain });
}

function checkMatch({ resource, group, version, selector }: MatchDocument, path: string, complain: Complain): void {
  if (isGiven(resource) && !RESOURCES.has(resource)) {
    complain(invalid(resource, `${path}.resource`, 'unsupported resource name'));
  }
  if (selector === undefined) return;
  if (![resource, group, version].some(isGiven)) {
    complain(invalid('', `${path}.selector`, 'a selector requires a resource type'));
  }
  (selector.matchExpressions ?? []).forEach(({ operator, values = [] }, index) => {
    const at = `${path}.selector.matchExpressions[${index}]`;
    if (!OPERATORS.has(operator)) complain(invalid(operator, `${at}.operator`));
    else if (operator.endsWith('In') === (values.length === 0)) complain(invalid(values.join(','), `${at}.values`));
  });
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}
