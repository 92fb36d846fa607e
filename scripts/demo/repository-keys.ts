import type { RepositoryKeys } from '../../trust-root/initialise.ts';
import { generateKey } from '../../trust-root/keys.ts';
import { keySigner } from '../../trust-root/signer.ts';

/** Fresh keys for every role of a TUF repository: root 2 of 3, targets 2 of 2. They live in this process only. */
export function newRepositoryKeys(): RepositoryKeys {
  const signer = () => keySigner(generateKey('p256'));
  return {
    root: { signers: [signer(), signer(), signer()], threshold: 2 },
    targets: { signers: [signer(), signer()], threshold: 2 },
    upstream: { signers: [signer()], threshold: 1 },
    snapshot: signer(),
    timestamp: signer(),
    siteState: signer(),
  };
}
