import {
  createFulcioIntermediate,
  createFulcioRoot,
  createTsaIntermediate,
  createTsaLeaf,
  createTsaRoot,
  validFor,
} from '../../../trust-root/certificates.ts';
import { generateKey } from '../../../trust-root/keys.ts';
import type { SigningConfigContent } from '../../../trust-root/signing-config.ts';
import type { TrustedRootContent } from '../../../trust-root/trusted-root.ts';
import { START } from './repository-world.ts';

const name = (commonName: string) => ({ commonName, organization: 'site.example' });

async function chains() {
  const keys = Array.from({ length: 5 }, () => generateKey('p256'));
  const [fulcioRoot, fulcio, tsaRoot, tsaCa, tsa] = keys as [
    (typeof keys)[0],
    (typeof keys)[0],
    (typeof keys)[0],
    (typeof keys)[0],
    (typeof keys)[0],
  ];
  const validity = validFor(START, 3650);
  const a = await createFulcioRoot({ subject: name('Fulcio root'), key: fulcioRoot, validity });
  const b = await createFulcioIntermediate({
    subject: name('Fulcio'),
    key: fulcio,
    validity,
    issuer: { certificate: a, key: fulcioRoot },
  });
  const c = await createTsaRoot({ subject: name('TSA root'), key: tsaRoot, validity });
  const d = await createTsaIntermediate({
    subject: name('TSA CA'),
    key: tsaCa,
    validity,
    issuer: { certificate: c, key: tsaRoot },
  });
  const e = await createTsaLeaf({ subject: name('TSA'), key: tsa, validity, issuer: { certificate: d, key: tsaCa } });
  return { fulcio: [b, a], tsa: [e, d, c] };
}

/** A site's trust material with new keys. */
export async function siteTrust(): Promise<TrustedRootContent> {
  const { fulcio, tsa } = await chains();
  const period = { start: START };
  return {
    tlogs: [{ baseUrl: 'https://rekor.site.example', publicKey: generateKey('p256'), period }],
    ctlogs: [{ baseUrl: 'https://ctlog.site.example', publicKey: generateKey('p256'), period }],
    certificateAuthorities: [{ uri: 'https://fulcio.site.example', certificates: fulcio, period, ...name('Fulcio') }],
    timestampAuthorities: [{ uri: 'https://tsa.site.example', certificates: tsa, period, ...name('TSA') }],
  };
}

/** A service of the site. */
export const endpoint = (url: string) => ({
  url,
  majorApiVersion: 1,
  period: { start: START },
  operator: 'site.example',
});
/** Where signers of the site go. */
export const signingServices: SigningConfigContent = {
  ca: [endpoint('https://fulcio.site.example')],
  oidc: [],
  rekor: [endpoint('https://rekor.site.example')],
  tsa: [endpoint('https://tsa.site.example/api/v1/timestamp')],
};
