import type { Reason } from '../verification/verdict.ts';
import type { ImageFinding } from './judge-images.ts';

const SHOWN_REASONS = 4;
const SHOWN_IMAGES = 16;

/** True when a finding lets its image in. */
export function isAdmitted(finding: ImageFinding): boolean {
  return finding.kind === 'judged' && finding.verdict.kind === 'admitted';
}

/**
 * Why a workload is refused, for the developer who sees it in kubectl: each refused image, where it is used, and the
 * reasons, the most telling first.
 */
export function denialMessage(findings: readonly ImageFinding[]): string {
  const refused = findings.filter((finding) => !isAdmitted(finding));
  const lines = refused.slice(0, SHOWN_IMAGES).flatMap((finding) => {
    const reasons = reasonsOf(finding);
    const more = reasons.length > SHOWN_REASONS ? [`  and ${reasons.length - SHOWN_REASONS} more reasons`] : [];
    return [
      `${subjectOf(finding)} is refused:`,
      ...reasons.slice(0, SHOWN_REASONS).map((text) => `  - ${text}`),
      ...more,
    ];
  });
  if (refused.length > SHOWN_IMAGES) lines.push(`and ${refused.length - SHOWN_IMAGES} more images`);
  return lines.join('\n');
}

/** The same in one line an image, for warnings: the most telling reason alone. */
export function refusalWarnings(findings: readonly ImageFinding[]): string[] {
  return findings
    .filter((finding) => !isAdmitted(finding))
    .map((finding) => short(`sealift would refuse ${subjectOf(finding)}: ${reasonsOf(finding)[0] ?? 'no reason'}`));
}

/** What policies in warn mode would have refused, and trust that is getting old. */
export function verdictWarnings(findings: readonly ImageFinding[]): string[] {
  return findings.flatMap((finding) =>
    finding.kind === 'judged'
      ? finding.verdict.warnings.map((reason) => short(`sealift: ${subjectOf(finding)}: ${textOf(reason)}`))
      : [],
  );
}

/** A warning is cut after 256 bytes: digests give way first. */
function short(text: string): string {
  return text.replaceAll(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, '$1…');
}

/** `image … (place)`; the digest too where the text does not hold it. */
function subjectOf({ image, place, digest }: ImageFinding): string {
  const pinned = digest === undefined || image.includes(digest) ? '' : ` (${digest})`;
  return `image ${JSON.stringify(image)}${pinned} of ${place}`;
}

function reasonsOf(finding: ImageFinding): string[] {
  switch (finding.kind) {
    case 'judged':
      return finding.verdict.kind === 'denied' ? finding.verdict.reasons.map(textOf) : [];
    case 'unusable':
      return [`[${finding.code}] ${finding.message}`];
    case 'undecided': {
      const fix = finding.fix === undefined ? '' : `; ${finding.fix}`;
      return [`[${finding.code}] could not be decided: ${finding.message}${fix}`];
    }
  }
}

function textOf({ code, message, policy, authority }: Reason): string {
  const where =
    policy === undefined ? '' : `policy ${policy}${authority === undefined ? '' : `, authority ${authority}`}: `;
  return `[${code}] ${where}${message}`;
}
