import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { parseImageReference, repositoryName } from '../kernel/image-reference.ts';
import type { Runtime } from '../runtime.ts';
import type { EvidenceReader, PinnedImage } from '../verification/evidence.ts';
import { explainVerdict } from '../verification/explain.ts';
import {
  readBundleFiles,
  readEvidenceFolder,
  readPolicyFiles,
  readTrustedRootFiles,
} from '../verification/offline-inputs.ts';
import { policySet } from '../verification/policy-set.ts';
import { PUBLIC_DOMAIN, trustDomains } from '../verification/trust-domains.ts';
import { VerificationError } from '../verification/verification-error.ts';
import { verifyImage } from '../verification/verify-image.ts';

/** `sealift verify`: the verdict that the webhook would reach, from files alone. */
export function verifyCommand(runtime: Runtime): Command<[string]> {
  return new Command('verify')
    .description('judge an image by policies, trust and evidence in files; nothing is dialled')
    .argument('<image>', 'HOST/REPOSITORY@sha256:…')
    .requiredOption('--policy <file...>', 'ClusterImagePolicies in YAML or JSON')
    .option('--trusted-root <[name=]file...>', 'trusted_root.json of a trust domain')
    .option('--default-domain <name>', 'trust domain of policies that name none', PUBLIC_DOMAIN)
    .option('--evidence <folder>', 'folder with evidence-index.json and blobs in sha256/')
    .option('--bundle <file...>', 'Sigstore bundles, taken as attached to the image')
    .option('--json', 'print the verdict as JSON')
    .action(async (text, options) => {
      const inCwd = (file: string): string => path.resolve(runtime.cwd, file);
      const domains = await readTrustedRootFiles(options.trustedRoot ?? [], {
        defaultName: options.defaultDomain,
        resolve: inCwd,
      });
      const verdict = await verifyImage(pinnedImage(text), {
        policies: policySet(await readPolicyFiles(options.policy.map(inCwd))),
        domains: trustDomains(domains, { defaultName: options.defaultDomain }),
        evidence: await evidenceOf(options, inCwd),
        clock: runtime.clock,
      });
      const lines = options.json === true ? [JSON.stringify(verdict, undefined, 2)] : explainVerdict(verdict);
      runtime.stdout.write(`${lines.join('\n')}\n`);
      if (verdict.kind === 'denied') {
        throw new VerificationError('IMAGE_DENIED', `${verdict.image} would not be admitted`);
      }
    });
}

function pinnedImage(text: string): PinnedImage {
  const reference = parseImageReference(text);
  if (reference.digest === undefined) {
    throw new VerificationError('OPTION_INVALID', `${text} names no digest, and a tag proves nothing`, {
      fix: 'give HOST/REPOSITORY@sha256:…',
    });
  }
  return { name: repositoryName(reference), digest: reference.digest };
}

async function evidenceOf(
  { evidence, bundle }: { evidence?: string | undefined; bundle?: string[] | undefined },
  inCwd: (file: string) => string,
): Promise<EvidenceReader> {
  if ((evidence === undefined) === (bundle === undefined)) {
    throw new VerificationError('OPTION_INVALID', 'give either --evidence or --bundle');
  }
  return evidence === undefined
    ? await readBundleFiles((bundle ?? []).map(inCwd))
    : await readEvidenceFolder(inCwd(evidence));
}
