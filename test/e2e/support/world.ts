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
  /** Packets that had left for addresses outside before the first proof. */
  readonly outsideBefore: number;
  /** Times and other things that were measured, for the report: name to text. */
  readonly measured: Map<string, string>;
  /** Digests of images that proofs made on the site, by name. */
  readonly made: Map<string, string>;
}

/** Enters the lab that `npm run e2e` brought up, with an empty folder for the run's files. */
export async function enterWorld(): Promise<World> {
  const lab = await siteLab();
  const files = siteFiles(lab.name);
  await clearSiteFiles(files);
  return {
    lab,
    files,
    connected: await loadConnectedFacts(labLayout(lab.name)),
    outsideBefore: (await outsidePackets(lab)).packets,
    measured: new Map(),
    made: new Map(),
  };
}

/** An application image of the connected side by its short name. */
export function application({ connected }: World, name: string): { reference: string; digest: string } {
  const found = connected.applications.find(({ reference }) => reference === `ghcr.io/acme/${name}:v1`);
  if (found === undefined) throw new Error(`the connected side has no application ${name}`);
  return found;
}
