import test from 'ava';

import { bundleProofs } from '../support/bundle-proofs.ts';
import { installProofs } from '../support/install-proofs.ts';
import { packetProofs } from '../support/packet-proofs.ts';
import { declareProofs, onlyProofs } from '../support/proofs.ts';
import { signingProofs } from '../support/signing-proofs.ts';
import { terminalProofs } from '../support/terminal-proofs.ts';
import { enterWorld } from '../support/world.ts';

declareProofs(
  test,
  [
    ...onlyProofs(bundleProofs, ['0-bundle']),
    ...onlyProofs(installProofs, ['2-prepare']),
    ...terminalProofs,
    ...onlyProofs(signingProofs, ['3-sign', '3-cosign']),
    ...packetProofs,
  ],
  enterWorld,
);
