import test from 'ava';

import { admissionProofs } from '../support/admission-proofs.ts';
import { bundleProofs } from '../support/bundle-proofs.ts';
import { installProofs } from '../support/install-proofs.ts';
import { outageProofs } from '../support/outage-proofs.ts';
import { packetProofs } from '../support/packet-proofs.ts';
import { declareProofs } from '../support/proofs.ts';
import { signingProofs } from '../support/signing-proofs.ts';
import { enterWorld } from '../support/world.ts';

declareProofs(
  test,
  [...bundleProofs, ...installProofs, ...signingProofs, ...admissionProofs, ...outageProofs, ...packetProofs],
  enterWorld,
);
