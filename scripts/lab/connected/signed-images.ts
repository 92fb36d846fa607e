import { type ApplicationName, applicationReference } from '../../images/app-images.ts';
import type { BuiltImage } from '../../images/image-layout.ts';
import type { Cosign, SigningWay } from './cosign.ts';
import { attachBundle, signatureBundleOf } from './evidence.ts';
import { identityOf, type Signer, type SignerIdentity } from './identity-token.ts';
import { writePredicates } from './predicates.ts';
import { atConnectedRegistry } from './registry.ts';
import { withBorrowedLogEntry, withFlippedSignature } from './spoiled-bundle.ts';

/** What is right or wrong with an application image's evidence. */
export type EvidenceKind =
  | 'signed'
  | 'unsigned'
  | 'signed by somebody else'
  | "another digest's signature"
  | "another signature's log entry"
  | 'a flipped bit in its signature';

/** What tests and policies need to know about one application image. */
export interface ApplicationFacts {
  readonly reference: string;
  readonly digest: string;
  readonly evidence: EvidenceKind;
  /** Where the signature is logged, and in which form it is attached. */
  readonly way?: SigningWay;
  readonly identity?: SignerIdentity;
  /** Types of its attestations, as cosign names them. */
  readonly attestations: readonly string[];
}

interface Plan {
  readonly name: ApplicationName;
  readonly evidence: EvidenceKind;
  readonly way?: SigningWay;
  readonly signer?: Signer;
  readonly attested?: boolean;
  /** Sign the index's children too. */
  readonly recursive?: boolean;
}

function workflow(name: ApplicationName): Signer {
  return { kind: 'workflow', repository: `acme/${name}`, workflow: 'release.yml', ref: 'refs/heads/main' };
}

const RELEASER: Signer = { kind: 'person', email: 'release@acme.example' };
const STRANGER: Signer = { kind: 'person', email: 'mallory@stranger.example' };

/** How each application image is signed. The first is the one that others borrow from. */
const PLANS: readonly Plan[] = [
  { name: 'app', evidence: 'signed', way: 'rekor-v1', signer: workflow('app'), attested: true, recursive: true },
  { name: 'web', evidence: 'signed', way: 'rekor-v2', signer: RELEASER, attested: true },
  { name: 'legacy', evidence: 'signed', way: 'legacy-tag', signer: workflow('legacy'), attested: true },
  { name: 'wrong-identity', evidence: 'signed by somebody else', way: 'rekor-v1', signer: STRANGER },
  { name: 'borrowed-signature', evidence: "another digest's signature", way: 'rekor-v1', signer: workflow('app') },
  {
    name: 'borrowed-log-entry',
    evidence: "another signature's log entry",
    way: 'rekor-v1',
    signer: workflow('borrowed-log-entry'),
  },
  {
    name: 'tampered-signature',
    evidence: 'a flipped bit in its signature',
    way: 'rekor-v1',
    signer: workflow('tampered-signature'),
  },
  { name: 'unsigned', evidence: 'unsigned' },
];

type SignedPlan = Plan & Required<Pick<Plan, 'way' | 'signer'>>;

const ATTESTATIONS = ['slsaprovenance1', 'spdxjson', 'vuln'] as const;

/** What signing needs. */
export interface Signing {
  readonly cosign: Cosign;
  /** The built application images by name. */
  readonly images: ReadonlyMap<ApplicationName, BuiltImage>;
  /** Folder for predicates. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Signs, attests, and spoils, each application image by its plan. */
export async function signApplications(signing: Signing): Promise<ApplicationFacts[]> {
  const facts: ApplicationFacts[] = [];
  for (const plan of PLANS) {
    const image = signing.images.get(plan.name);
    if (image === undefined) throw new Error(`no image ${plan.name}`);
    await carryOut(plan, image, signing);
    signing.say(`${image.reference}: ${plan.evidence}${plan.way === undefined ? '' : ` (${plan.way})`}`);
    facts.push({
      reference: image.reference,
      digest: image.digest,
      evidence: plan.evidence,
      ...(plan.way === undefined ? {} : { way: plan.way }),
      ...(plan.signer === undefined ? {} : { identity: identityOf(plan.signer) }),
      attestations: plan.attested === true ? ATTESTATIONS : [],
    });
  }
  return facts;
}

/** The name of an application at the connected registry. */
function repositoryOf(name: ApplicationName): string {
  return applicationReference(name).replace(/:v1$/, '');
}

async function carryOut(plan: Plan, image: BuiltImage, signing: Signing): Promise<void> {
  const { way, signer } = plan;
  if (way === undefined || signer === undefined) return;
  const repository = repositoryOf(plan.name);
  const target = `${atConnectedRegistry(repository)}@${image.digest}`;
  if (plan.evidence.startsWith('signed')) {
    await signing.cosign.sign(target, signer, { way, recursive: plan.recursive ?? false, named: repository });
    if (plan.attested === true) await attest({ ...plan, way, signer }, target, signing);
    return;
  }
  const app = signing.images.get('app')?.digest ?? '';
  const other = await signatureBundleOf(repositoryOf('app'), app);
  const own = async () => await signing.cosign.signToBundle(target, signer, way);
  await attachBundle(repository, image.digest, await spoiled(plan.evidence, own, other));
}

/** The bundle that is attached instead of a good one. */
async function spoiled(evidence: EvidenceKind, own: () => Promise<Buffer>, other: Buffer): Promise<Buffer> {
  if (evidence === "another signature's log entry") return withBorrowedLogEntry(await own(), other);
  if (evidence === 'a flipped bit in its signature') return withFlippedSignature(await own());
  return other;
}

async function attest(plan: SignedPlan, target: string, { cosign, folder }: Signing): Promise<void> {
  const { name, way, signer } = plan;
  const files = await writePredicates(folder, name, new Date());
  const predicates = { slsaprovenance1: files.provenance, spdxjson: files.sbom, vuln: files.vulnerabilities };
  for (const type of ATTESTATIONS) await cosign.attest(target, signer, { way, type, predicate: predicates[type] });
}
