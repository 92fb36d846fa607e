import { createHash, type KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import test from 'ava';

import { parseManagedKey } from '../../appliance/verification/public-key.ts';
import { digestContent, type SignedContent } from '../../appliance/verification/signed-content.ts';
import {
  type ParsedBundle,
  parseSigstoreBundle,
  signedContentOf,
} from '../../appliance/verification/sigstore-bundle.ts';
import { sigstoreVerifier } from '../../appliance/verification/sigstore-verifier.ts';
import { parseTrustedRoot } from '../../appliance/verification/trust-material.ts';
import { verifyPrehashed } from '../support/prehashed-ecdsa.ts';

// sigstore-conformance's bundle verification cases, each with the artifact and with its digest alone.

const VECTORS = path.join(import.meta.dirname, '../../../shared/vectors/sigstore-conformance');
const IDENTITY =
  'https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main';
const ISSUER = 'https://token.actions.githubusercontent.com';

interface Case {
  readonly bundle: Buffer;
  readonly artifact: Buffer;
  readonly identity: string;
  readonly issuer: string;
  readonly key: string | undefined;
  readonly trustedRoot: Buffer;
}

function readCase(name: string): Case {
  const optional = (file: string): Buffer | undefined => {
    const full = path.join(VECTORS, name, file);
    return existsSync(full) ? readFileSync(full) : undefined;
  };
  return {
    bundle: readFileSync(path.join(VECTORS, name, 'bundle.sigstore.json')),
    artifact: optional('artifact') ?? readFileSync(path.join(VECTORS, 'a.txt')),
    identity: optional('identity')?.toString('utf8').trim() ?? IDENTITY,
    issuer: optional('issuer')?.toString('utf8').trim() ?? ISSUER,
    key: optional('key.pub')?.toString('utf8'),
    trustedRoot: optional('trusted_root.json') ?? readFileSync(path.join(VECTORS, 'public-good.trusted_root.json')),
  };
}

/** What is wrong with the case's bundle; nothing when it verifies. */
function refusalOf(one: Case, byDigest: boolean): string | undefined {
  const parsed = parseSigstoreBundle(one.bundle);
  if ('fault' in parsed) return parsed.fault;
  const content = contentOf(parsed, one.artifact, byDigest);
  if (typeof content === 'string') return content;
  const key = one.key === undefined ? undefined : parseManagedKey(one.key);
  const verifier = sigstoreVerifier(parseTrustedRoot(one.trustedRoot, 'conformance'));
  const outcome = verifier.verify(parsed, content, {
    ...(key === undefined ? {} : { key }),
    transparency: 'included',
    sct: key === undefined,
    timestampAuthority: false,
  });
  if (outcome.kind === 'refused') return `${outcome.code}: ${outcome.message}`;
  const { leaf } = outcome;
  if (leaf === undefined) return key === undefined ? 'no certificate' : undefined;
  return leaf.issuer === one.issuer && leaf.subjects.includes(one.identity)
    ? undefined
    : `signed by ${leaf.subjects.join()}`;
}

function contentOf(parsed: ParsedBundle, artifact: Buffer, byDigest: boolean): SignedContent | string {
  const digest = createHash('sha256').update(artifact).digest();
  if (parsed.content.kind === 'dsse') {
    const statement = JSON.parse(parsed.content.payload.toString('utf8')) as {
      subject: { digest: { sha256?: string } }[];
    };
    if (!statement.subject.some((one) => one.digest.sha256 === digest.toString('hex'))) return 'another subject';
    return signedContentOf(parsed) ?? 'no content';
  }
  if (!parsed.content.digest.equals(digest)) return "the bundle's digest is another";
  if (!byDigest) return signedContentOf(parsed, artifact) ?? 'no content';
  const verify = (key: KeyObject, hash: Buffer, signature: Buffer) => verifyPrehashed(key, hash, signature);
  return digestContent(digest, parsed.content.signature, verify);
}

function refusal(one: Case, byDigest: boolean): string | undefined {
  try {
    return refusalOf(one, byDigest);
  } catch (error) {
    return `threw ${String(error)}`;
  }
}

if (existsSync(VECTORS)) {
  const cases = readdirSync(VECTORS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  test('there are cases', (t) => t.true(cases.length > 50));
  for (const { name } of cases) {
    for (const byDigest of [false, true]) {
      test(`${name} ${byDigest ? 'by digest' : 'with its artifact'}`, (t) => {
        const reason = refusal(readCase(name), byDigest);
        if (name.endsWith('_fail')) {
          t.not(reason, undefined, 'it must be refused');
          t.log(reason ?? '');
        } else {
          t.is(reason, undefined);
        }
      });
    }
  }
} else {
  test('skipped: vectors not present', (t) => t.pass());
}
