import type { Clock } from '../kernel/clock.ts';
import type { BundleConfig } from './bundle-config.ts';
import { BundleError } from './bundle-error.ts';

/**
 * The time that a bundle is said to be made at: `SOURCE_DATE_EPOCH` (seconds since 1970, reproducible-builds.org) when it
 * is set, so that equal content gives equal bytes, else now.
 * @throws BundleError `CONFIG_INVALID`.
 */
export function createdAtFrom({
  env,
  clock,
}: {
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
}): Date {
  const epoch = env['SOURCE_DATE_EPOCH'];
  if (epoch === undefined || epoch === '') return clock.now();
  if (!/^[0-9]{1,11}$/.test(epoch)) {
    throw new BundleError('CONFIG_INVALID', `SOURCE_DATE_EPOCH is ${JSON.stringify(epoch)}, not seconds since 1970`);
  }
  return new Date(Number(epoch) * 1000);
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The `os/architecture` of this machine, as images are named. */
export function thisPlatform(): string {
  return `${process.platform}/${ARCHITECTURES[process.arch] ?? process.arch}`;
}

/** The `helm` that renders charts: the one of `bundle.yaml` for this machine. Not asked for before a chart is rendered. */
export function helmForThisMachine({ helm, stack, charts }: BundleConfig): string {
  const program = helm[thisPlatform()];
  if (program !== undefined) return program;
  if (stack === undefined && charts.length === 0) return 'helm';
  throw new BundleError(
    'HELM_MISSING',
    `bundle.yaml names no helm for ${thisPlatform()}, and charts must be rendered`,
    {
      fix: `add "helm: { ${thisPlatform()}: path/to/helm }"`,
    },
  );
}
