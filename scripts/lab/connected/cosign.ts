import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '../../../appliance/kernel/atomic-file.ts';
import { run } from '../program.ts';
import { identityToken, type Signer } from './identity-token.ts';
import { localUrl, PORTS } from './upstream.ts';
import type { UpstreamParts } from './upstream-servers.ts';

/** Which log a signature goes into, and in which form it is attached. */
export type SigningWay = 'rekor-v1' | 'rekor-v2' | 'legacy-tag';

/** Real cosign on the connected side. Must run inside its network namespace. */
export interface Cosign {
  /** Signs `image` (with its digest) keylessly; `recursive` also signs an index's children. */
  sign(image: string, signer: Signer, way: SigningOptions): Promise<void>;
  /** Signs `image` and gives the Sigstore bundle instead of attaching it. */
  signToBundle(image: string, signer: Signer, way: SigningWay): Promise<Buffer>;
  /** Attaches a predicate as a signed attestation. */
  attest(image: string, signer: Signer, way: AttestationOptions): Promise<void>;
  /** Runs any other command, e.g. `verify`. */
  run(words: readonly string[]): Promise<string>;
}

export interface SigningOptions {
  readonly way: SigningWay;
  readonly recursive?: boolean;
  /** The name that the signature says, in the legacy form only. */
  readonly named?: string;
}

export interface AttestationOptions {
  readonly way: SigningWay;
  readonly type: 'slsaprovenance1' | 'spdxjson' | 'vuln';
  /** File of the predicate. */
  readonly predicate: string;
}

/** File names of the documents that cosign is given, below the client folder. */
export const CLIENT_FILES = {
  trustedRoot: 'trusted_root.json',
  signingConfigV1: 'signing_config.v0.2.rekor-v1.json',
  signingConfigV2: 'signing_config.v0.2.json',
} as const;

const TIMEOUT_MS = 60_000;

/** Cosign with its home in the lab, the lab's trusted root, and tokens of the lab's issuers. */
export function cosign({ paths, keys, binaries }: UpstreamParts): Cosign {
  const program = binaries.get('cosign') ?? 'cosign';
  const inClient = (name: string) => path.join(paths.client, name);
  const env = { PATH: '/usr/bin:/bin', HOME: paths.cosignHome, COSIGN_EXPERIMENTAL: '0' };
  const call = async (words: readonly string[]) => {
    await mkdir(paths.cosignHome, { recursive: true });
    const { stdout, stderr } = await run([program, ...words], { env, cwd: paths.dir, timeoutMs: TIMEOUT_MS });
    return stdout === '' ? stderr : stdout;
  };
  const services = (way: SigningWay): string[] => {
    const trustedRoot = [`--trusted-root=${inClient(CLIENT_FILES.trustedRoot)}`];
    if (way === 'rekor-v1') return [...trustedRoot, `--signing-config=${inClient(CLIENT_FILES.signingConfigV1)}`];
    if (way === 'rekor-v2') return [...trustedRoot, `--signing-config=${inClient(CLIENT_FILES.signingConfigV2)}`];
    const urls = [`--fulcio-url=${localUrl(PORTS.fulcio)}`, `--rekor-url=${localUrl(PORTS.rekor)}`];
    return [...trustedRoot, '--use-signing-config=false', '--new-bundle-format=false', ...urls];
  };
  const token = async (signer: Signer) => {
    // By file: what is in a program's words shows in error messages and process lists.
    const file = path.join(paths.keys, 'identity-token');
    await writeFileAtomic(file, identityToken(signer, keys.issuer.privateKey), { mode: 0o600 });
    return ['--yes', `--identity-token=${file}`];
  };
  return {
    sign: async (image, signer, { way, recursive = false, named }) => {
      // The other form names no image, only its digest.
      const name = named === undefined || way !== 'legacy-tag' ? [] : [`--sign-container-identity=${named}`];
      await call([
        'sign',
        ...(await token(signer)),
        ...services(way),
        ...name,
        ...(recursive ? ['--recursive'] : []),
        image,
      ]);
    },
    signToBundle: async (image, signer, way) => {
      const file = path.join(paths.client, `.bundle-${process.pid}.json`);
      await call(['sign', ...(await token(signer)), ...services(way), '--upload=false', `--bundle=${file}`, image]);
      const bundle = await readFile(file);
      await rm(file);
      return bundle;
    },
    attest: async (image, signer, { way, type, predicate }) => {
      const what = [`--type=${type}`, `--predicate=${predicate}`];
      await call(['attest', ...(await token(signer)), ...services(way), ...what, image]);
    },
    run: call,
  };
}
