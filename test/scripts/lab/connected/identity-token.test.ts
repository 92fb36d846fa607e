import { generateKeyPairSync, verify } from 'node:crypto';
import test from 'ava';
import { identityOf, identityToken, type Signer } from '../../../../scripts/lab/connected/identity-token.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const workflow: Signer = { kind: 'workflow', repository: 'acme/app', workflow: 'release.yml', ref: 'refs/heads/main' };

function claims(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

test("a token carries its issuer's signature", (t) => {
  const token = identityToken(workflow, privateKey);
  const [header, body, signature = ''] = token.split('.');
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
  t.true(verify('sha256', Buffer.from(`${header}.${body}`), key, Buffer.from(signature, 'base64url')));
});

test("a person's token names a verified address", (t) => {
  const person: Signer = { kind: 'person', email: 'release@acme.example' };
  const token = claims(identityToken(person, privateKey));
  t.like(token, {
    iss: identityOf(person).issuer,
    aud: 'sigstore',
    email: 'release@acme.example',
    email_verified: true,
  });
});

test("a workflow's subject is its file at its revision", (t) => {
  const { subject } = identityOf(workflow);
  t.is(subject, 'https://git.acme.example/acme/app/.ci/workflows/release.yml@refs/heads/main');
  t.true(subject.endsWith(String(claims(identityToken(workflow, privateKey))['job_workflow_ref'])));
});

test('a token lives ten minutes', (t) => {
  const { iat, exp } = claims(identityToken(workflow, privateKey));
  t.is(Number(exp) - Number(iat), 600);
});
