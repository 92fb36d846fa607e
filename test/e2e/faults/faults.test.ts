import test from 'ava';

import { admissionProofs } from '../support/admission-proofs.ts';
import { bundleProofs } from '../support/bundle-proofs.ts';
import { installProofs } from '../support/install-proofs.ts';
import { packetProofs } from '../support/packet-proofs.ts';
import { declareProofs, onlyProofs } from '../support/proofs.ts';
import { rebootProofs } from '../support/reboot-proofs.ts';
import { reinstallProofs } from '../support/reinstall-proofs.ts';
import { signingProofs } from '../support/signing-proofs.ts';
import { trustAttackProofs } from '../support/trust-attack-proofs.ts';
import { enterWorld } from '../support/world.ts';

// What breaks nodes, trust and the installation itself, on a site that has just been made.
declareProofs(
  test,
  [
    ...onlyProofs(bundleProofs, ['0-bundle']),
    ...onlyProofs(installProofs, ['2-prepare', '2-install']),
    ...onlyProofs(signingProofs, ['3-sign', '3-cosign']),
    ...onlyProofs(admissionProofs, ['4-admitted', '4-warn']),
    ...rebootProofs,
    ...trustAttackProofs,
    ...reinstallProofs,
    ...packetProofs,
  ],
  enterWorld,
);
