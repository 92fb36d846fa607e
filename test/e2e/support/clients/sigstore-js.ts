import { readFile } from 'node:fs/promises';

import { type Bundle, verify } from 'sigstore';

/** `sigstore-js.ts BUNDLE TUF_URL ROOT CACHE SUBJECT ISSUER`: verifies a Sigstore bundle with trust from a TUF repository. */
const [file = '', tufMirrorURL = '', tufRootPath = '', tufCachePath = '', subject = '', issuer = ''] =
  process.argv.slice(2);
const bundle = JSON.parse(await readFile(file, 'utf8')) as Bundle;
const signer = await verify(bundle, {
  ...{ tufMirrorURL, tufRootPath, tufCachePath },
  certificateIdentityURI: subject,
  certificateIssuer: issuer,
});
console.log(`verified: ${signer.identity?.subjectAlternativeName ?? ''}`);
