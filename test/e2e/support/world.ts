import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { z } from 'zod';

import { type ConnectedFacts, loadConnectedFacts } from '../../../scripts/lab/connected/connected-facts.ts';
import { type LabState, outsidePackets } from '../../../scripts/lab/lab.ts';
import { labLayout } from '../../../scripts/lab/layout.ts';
import { siteLab } from './site.ts';
import { clearSiteFiles, type SiteFiles, siteFiles } from './site-files.ts';

/** What the proofs of one lab share. */
export interface World {
  readonly lab: LabState;
  readonly connected: ConnectedFacts;
  readonly files: SiteFiles;
  /** Packets for addresses outside that are accounted for: there before the first proof, or sent to be counted. */
  outsideBefore: number;
  /** Times and other things that were measured, for the report: name to text. */
  readonly measured: Map<string, string>;
  /** Digests of images that proofs made on the site, by name. */
  readonly made: Map<string, string>;
  /** Ids of the proofs that held. */
  readonly passed: Set<string>;
}

const progressSchema = z.strictObject({
  outsideBefore: z.number(),
  measured: z.record(z.string(), z.string()),
  made: z.record(z.string(), z.string()),
  passed: z.array(z.string()),
});

function progressFile({ folder }: SiteFiles): string {
  return path.join(folder, 'progress.json');
}

/** Keeps what was shown so far beside the run's files, for `npm run e2e -- --resume` and for reports. */
export async function keepProgress({ files, outsideBefore, measured, made, passed }: World): Promise<void> {
  const progress = {
    outsideBefore,
    measured: Object.fromEntries(measured),
    made: Object.fromEntries(made),
    passed: [...passed],
  };
  await writeFile(progressFile(files), `${JSON.stringify(progress, null, 2)}\n`);
}

/** Enters the lab that `npm run e2e` brought up: with an empty folder for the run's files, or going on with the last run. */
export async function enterWorld(): Promise<World> {
  const lab = await siteLab();
  const files = siteFiles(lab.name);
  const connected = await loadConnectedFacts(labLayout(lab.name));
  const common = { lab, files, connected };
  if (process.env['SEALIFT_E2E_RESUME'] === '1') {
    const { outsideBefore, measured, made, passed } = progressSchema.parse(
      JSON.parse(await readFile(progressFile(files), 'utf8')),
    );
    const maps = { measured: new Map(Object.entries(measured)), made: new Map(Object.entries(made)) };
    return { ...common, ...maps, outsideBefore, passed: new Set(passed) };
  }
  await clearSiteFiles(files);
  const outsideBefore = (await outsidePackets(lab)).packets;
  return { ...common, outsideBefore, measured: new Map(), made: new Map(), passed: new Set() };
}

/** An application image of the connected side by its short name. */
export function application({ connected }: World, name: string): { reference: string; digest: string } {
  const found = connected.applications.find(({ reference }) => reference === `ghcr.io/acme/${name}:v1`);
  if (found === undefined) throw new Error(`the connected side has no application ${name}`);
  return found;
}
