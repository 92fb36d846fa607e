import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SOURCE_HOST } from './identity-token.ts';

/** Files of the predicates for one application. */
export interface PredicateFiles {
  readonly provenance: string;
  readonly sbom: string;
  readonly vulnerabilities: string;
}

/** Writes SLSA provenance v1, an SPDX 2.3 document and a vulnerability report for application `name` into `folder`. */
export async function writePredicates(folder: string, name: string, now: Date): Promise<PredicateFiles> {
  const documents = { provenance: provenance(name, now), sbom: sbom(name, now), vulnerabilities: report(name, now) };
  await mkdir(folder, { recursive: true });
  const files: Record<string, string> = {};
  for (const [kind, document] of Object.entries(documents)) {
    const file = path.join(folder, `${name}.${kind}.json`);
    await writeFile(file, JSON.stringify(document));
    files[kind] = file;
  }
  return files as unknown as PredicateFiles;
}

/** https://slsa.dev/spec/v1.0/provenance, the predicate alone. */
function provenance(name: string, now: Date): object {
  const source = `git+${SOURCE_HOST}/acme/${name}`;
  return {
    buildDefinition: {
      buildType: 'https://ci.acme.example/buildtypes/container/v1',
      externalParameters: { repository: `${SOURCE_HOST}/acme/${name}`, ref: 'refs/heads/main' },
      internalParameters: {},
      resolvedDependencies: [
        { uri: `${source}@refs/heads/main`, digest: { gitCommit: '0123456789abcdef0123456789abcdef01234567' } },
      ],
    },
    runDetails: {
      builder: { id: `https://ci.acme.example/runners/hosted` },
      metadata: {
        invocationId: `${SOURCE_HOST}/acme/${name}/runs/1`,
        startedOn: seconds(now),
        finishedOn: seconds(now),
      },
    },
  };
}

/** https://spdx.github.io/spdx-spec/v2.3/ */
function sbom(name: string, now: Date): object {
  const license = { licenseConcluded: 'NOASSERTION', copyrightText: 'NOASSERTION' };
  const busybox = {
    SPDXID: 'SPDXRef-Package-busybox-static',
    name: 'busybox-static',
    versionInfo: '1:1.35.0-4',
    downloadLocation: 'https://deb.debian.org/debian/pool/main/b/busybox/',
    filesAnalyzed: false,
    licenseDeclared: 'GPL-2.0-only',
    ...license,
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: 'pkg:deb/debian/busybox-static@1:1.35.0-4?arch=amd64',
      },
    ],
  };
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `ghcr.io/acme/${name}`,
    documentNamespace: `${SOURCE_HOST}/acme/${name}/sbom/1`,
    creationInfo: { created: seconds(now), creators: ['Tool: sealift-lab'] },
    packages: [busybox],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: busybox.SPDXID },
    ],
  };
}

/** https://cosign.sigstore.dev/attestation/vuln/v1 */
function report(name: string, now: Date): object {
  return {
    invocation: { parameters: [], uri: `${SOURCE_HOST}/acme/${name}/runs/1`, event_id: '1', 'builder.id': 'acme-ci' },
    scanner: {
      uri: 'pkg:generic/acme-scanner@1.0.0',
      version: '1.0.0',
      db: { uri: 'https://vulnerabilities.acme.example/db', version: '1', lastUpdate: now.toISOString() },
      result: {
        vulnerabilities: [
          { id: 'CVE-2024-0001', severity: 'LOW', package: 'busybox-static', installed: '1:1.35.0-4', fixed: '' },
        ],
      },
    },
    metadata: { scanStartedOn: now.toISOString(), scanFinishedOn: now.toISOString() },
  };
}

function seconds(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
