import { SITE_REGISTRY } from './policies.ts';
import { siteImage } from './site-images.ts';
import { application, type World } from './world.ts';

/** An image that must be refused, and what the developer must be told. */
export interface Refused {
  readonly what: string;
  readonly image: string;
  readonly reason: RegExp;
}

/** Images that must be admitted, by what is special about them. */
export function admittedImages(world: World): Record<string, string> {
  return {
    'signed upstream through Rekor v1': 'ghcr.io/acme/app:v1',
    'signed upstream through Rekor v2': 'ghcr.io/acme/web:v1',
    'signed upstream in the old form': 'ghcr.io/acme/legacy:v1',
    'signed on the site': siteImage(world, 'app'),
    'signed on the site, by tag': `${SITE_REGISTRY}/team/app:v1`,
  };
}

/** Images that must be refused, each with its own reason. */
export function refusedImages(world: World): Refused[] {
  return [
    { what: 'unsigned', image: 'ghcr.io/acme/unsigned:v1', reason: /\[NO_SIGNATURE\]/ },
    {
      what: 'signed by somebody else',
      image: 'ghcr.io/acme/wrong-identity:v1',
      reason: /\[IDENTITY_MISMATCH\].*mallory@stranger\.example/,
    },
    { what: 'tampered signature', image: 'ghcr.io/acme/tampered-signature:v1', reason: /\[SIGNATURE_INVALID\]/ },
    { what: 'signature of another digest', image: 'ghcr.io/acme/borrowed-signature:v1', reason: /\[DIGEST_MISMATCH\]/ },
    {
      what: 'log entry of another signature',
      image: 'ghcr.io/acme/borrowed-log-entry:v1',
      reason: /\[LOG_ENTRY_MISMATCH\]/,
    },
    {
      what: 'unknown registry',
      image: 'quay.example/somebody/thing:v1',
      reason: /\[DIGEST_UNRESOLVED\].*neither in the synced index nor in the site's registry/,
    },
    {
      what: 'unknown registry, by digest',
      image: `quay.example/somebody/thing@${application(world, 'app').digest}`,
      reason: /\[NO_MATCHING_POLICY\]/,
    },
    { what: 'unsigned, made on the site', image: siteImage(world, 'unsigned'), reason: /\[NO_SIGNATURE\]/ },
    {
      what: 'signed on the site by somebody else',
      image: siteImage(world, 'foreign'),
      reason: new RegExp(String.raw`\[IDENTITY_MISMATCH\].*serviceaccounts/stranger`),
    },
  ];
}
