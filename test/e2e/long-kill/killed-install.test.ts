import test from 'ava';

import { bundleProofs } from '../support/bundle-proofs.ts';
import { installProofs } from '../support/install-proofs.ts';
import { killProofs } from '../support/kill-proofs.ts';
import { packetProofs } from '../support/packet-proofs.ts';
import { declareProofs, onlyProofs } from '../support/proofs.ts';
import { signingProofs } from '../support/signing-proofs.ts';
import { enterWorld } from '../support/world.ts';

declareProofs(
  test,
  [
    ...onlyProofs(bundleProofs, ['0-bundle']),
    ...onlyProofs(installProofs, ['2-prepare']),
    ...killProofs,
    ...onlyProofs(installProofs, ['2-again']),
    ...onlyProofs(signingProofs, ['3-sign', '3-cosign']),
    ...packetProofs,
  ],
  enterWorld,
);
