import test from 'ava';

import { KINDS } from '../../../appliance/kube/kube-object.ts';
import { generateKey, publicKeyPem } from '../../../trust-root/keys.ts';
import { createRequest, reviewBody } from './support/reviews.ts';
import { keyPolicy, SITE_KEY_PEM, site } from './support/site.ts';

test('from a signed image to a verdict: synced evidence, the registry, and neither', async (t) => {
  const { pushed, sync, start, registry } = await site(t);
  const good = await pushed('ghcr.io/team/good', true);
  const bad = await pushed('ghcr.io/team/bad', false);
  await sync('ghcr.io/team/good:v1', 'ghcr.io/team/bad:v1');
  const fresh = await pushed('ghcr.io/team/fresh', true);
  const { review, ask } = await start();
  t.like(await ask('GET', '/readyz'), { status: 200, json: { ready: true, generation: 2, policies: 1, faults: [] } });

  const patched = await review('/mutate', 'ghcr.io/team/good:v1');
  t.true(
    Buffer.from(patched.patch ?? '', 'base64')
      .toString()
      .includes(`ghcr.io/team/good:v1@${good}`),
  );
  t.true((await review('/validate', `ghcr.io/team/good@${good}`)).allowed);
  t.true((await review('/validate', `ghcr.io/team/fresh@${fresh}`)).allowed);

  const refused = await review('/validate', `ghcr.io/team/bad@${bad}`);
  t.false(refused.allowed);
  t.regex(
    refused.status?.message ?? '',
    /ghcr\.io\/team\/bad@\S+ of spec\.containers\[web\] is refused:\n {2}- \[NO_SIGNATURE\] policy floor/,
  );
  const warned = await review('/validate', `ghcr.io/team/bad@${bad}`, 'lab');
  t.true(warned.allowed);
  t.regex(warned.warnings?.[0] ?? '', /NO_SIGNATURE/);
  t.regex((await review('/validate', `quay.io/x/y@${good}`)).status?.message ?? '', /NO_MATCHING_POLICY/);

  await registry.close();
  const again = await start();
  t.true((await again.review('/validate', `ghcr.io/team/good@${good}`)).allowed);
  t.regex(
    (await again.review('/validate', `ghcr.io/team/fresh@${fresh}`)).status?.message ?? '',
    /EVIDENCE_UNAVAILABLE/,
  );
});

test('a signature of one image does not admit another under the same name', async (t) => {
  const { pushed, sync, start } = await site(t);
  await pushed('ghcr.io/team/good', true);
  const other = await pushed('ghcr.io/team/other', false);
  await sync('ghcr.io/team/good:v1', 'ghcr.io/team/other:v1');
  const { review } = await start();
  t.false((await review('/validate', `ghcr.io/team/good@${other}`)).allowed);
});

test('without a generation it is not ready and refuses with the reason', async (t) => {
  const { start, pushed } = await site(t);
  const good = await pushed('ghcr.io/team/good', true);
  const { review, ask } = await start();
  t.is((await ask('GET', '/readyz')).status, 503);
  t.regex((await review('/validate', `ghcr.io/team/good@${good}`)).status?.message ?? '', /NOT_READY/);
});

test('a policy that would not be followed is refused where it is written', async (t) => {
  const { start, sync } = await site(t);
  await sync();
  const { ask } = await start();
  const review = async (object: Record<string, unknown>) => {
    const request = createRequest('ClusterImagePolicy', object);
    const { json } = await ask('POST', '/validate-policy', reviewBody(request));
    return json['response'] as { allowed: boolean; status?: { message: string } };
  };
  t.true((await review(keyPolicy('p', 'ghcr.io/**'))).allowed);
  const refused = await review({ ...keyPolicy('p', 'ghcr.io/**'), spec: { images: [], authoritys: [] } });
  t.regex(refused.status?.message ?? '', /authoritys/);
});

test('a policy takes its key from a Secret, and another key there is another verdict', async (t) => {
  const { pushed, sync, start, cluster } = await site(t);
  const good = await pushed('quay.io/team/good', true);
  await sync('quay.io/team/good:v1');
  const authorities = [{ name: 'release', key: { secretRef: { name: 'release' } } }];
  await cluster.create({ ...keyPolicy('keyed', ''), spec: { images: [{ glob: 'quay.io/**' }], authorities } });
  const { review } = await start();
  const verdict = async () => await review('/validate', `quay.io/team/good@${good}`);
  t.regex((await verdict()).status?.message ?? '', /KEY_UNAVAILABLE.*no Secret sealift-policy-keys\/release/);
  const holding = async (pem: string) =>
    await cluster.apply({
      ...KINDS.secret,
      metadata: { name: 'release', namespace: 'sealift-policy-keys' },
      data: { 'key.pub': Buffer.from(pem).toString('base64') },
    });
  await holding(SITE_KEY_PEM);
  t.true((await verdict()).allowed);
  await holding(publicKeyPem(generateKey('p256')));
  t.regex((await verdict()).status?.message ?? '', /UNTRUSTED_KEY/);
});
