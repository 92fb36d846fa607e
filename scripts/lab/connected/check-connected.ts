import path from 'node:path';
import { ensureBinaries } from '../build-binaries.ts';
import { LabError } from '../lab-error.ts';
import { enterArgv, type LabLayout, labLayout } from '../layout.ts';
import { run } from '../program.ts';
import { type ConnectedFacts, loadConnectedFacts } from './connected-facts.ts';
import { atConnectedRegistry } from './registry.ts';
import type { ApplicationFacts } from './signed-images.ts';
import { upstreamPaths } from './upstream.ts';

/** What cosign said to one application image or attestation. */
export interface CosignVerdict {
  readonly reference: string;
  /** `signature`, or the attestation's type. */
  readonly what: string;
  readonly accepted: boolean;
  /** Its own words, when it refused. */
  readonly reason: string;
}

type Call = (words: readonly string[]) => Promise<{ readonly code: number; readonly stderr: string }>;

/** The people and workflows that the lab's developers trust: of their own domain. */
const TRUSTED_SUBJECTS = String.raw`^(https://git\.acme\.example/acme/.*|.*@acme\.example)$`;

/**
 * Lets real cosign judge every application image with its signatures and attestations, on the connected side, with
 * trust from the upstream TUF repository.
 */
export async function checkConnected(layout: LabLayout): Promise<CosignVerdict[]> {
  const facts = await loadConnectedFacts(layout);
  const program = (await ensureBinaries(['cosign'])).get('cosign') ?? 'cosign';
  const env = { PATH: '/usr/bin:/bin', HOME: path.join(upstreamPaths(layout).cosignHome, 'check') };
  const call: Call = async (words) => {
    const argv = ['env', ...Object.entries(env).map(([key, value]) => `${key}=${value}`), program, ...words];
    return await run([...enterArgv(layout, 'connected'), ...argv], { allow: 'any', timeoutMs: 60_000 });
  };
  await initialize(call, facts);
  const verdicts: CosignVerdict[] = [];
  for (const application of facts.applications) {
    for (const what of ['signature', ...application.attestations]) {
      verdicts.push(await judge(call, application, what));
    }
  }
  return verdicts;
}

async function initialize(call: Call, { tuf }: ConnectedFacts): Promise<void> {
  const { code, stderr } = await call(['initialize', `--mirror=${tuf.url}`, `--root=${tuf.root}`]);
  if (code !== 0) throw new LabError('PROGRAM_FAILED', `cosign doesn't take the upstream TUF repository: ${stderr}`);
}

async function judge(call: Call, application: ApplicationFacts, what: string): Promise<CosignVerdict> {
  const { reference, digest, identity, way } = application;
  const verb = what === 'signature' ? ['verify'] : ['verify-attestation', `--type=${what}`];
  const form = way === 'legacy-tag' ? ['--new-bundle-format=false'] : [];
  const who = [
    `--certificate-identity-regexp=${TRUSTED_SUBJECTS}`,
    `--certificate-oidc-issuer=${identity?.issuer ?? 'https://ci.acme.example'}`,
  ];
  const image = `${atConnectedRegistry(reference.replace(/:[^:/]+$/, ''))}@${digest}`;
  const { code, stderr } = await call([...verb, ...form, ...who, image]);
  const reason = code === 0 ? '' : (stderr.trim().split('\n')[0] ?? '');
  return { reference, what, accepted: code === 0, reason };
}

if (import.meta.main) {
  const layout = labLayout(process.argv[2] ?? 'lab');
  const wanted = new Map((await loadConnectedFacts(layout)).applications.map((one) => [one.reference, one.evidence]));
  for (const { reference, what, accepted, reason } of await checkConnected(layout)) {
    const asWanted = accepted === (wanted.get(reference) === 'signed');
    console.log(`${asWanted ? 'ok  ' : 'FAIL'} ${reference} ${what}: ${accepted ? 'accepted' : reason}`);
    if (!asWanted) process.exitCode = 1;
  }
}
