import { crane, developer } from './developer.ts';
import { SITE_REGISTRY } from './policies.ts';
import type { World } from './world.ts';

/** `<registry>/team/<name>@<digest>` of an image that was made on the site. */
export function siteImage({ made }: World, name: string): string {
  return `${SITE_REGISTRY}/team/${name}@${made.get(name) ?? ''}`;
}

/** Makes an image on the site by changing one that is there, and pushes it as `team/<name>:v1`. */
export async function pushSiteImage(world: World, name: string): Promise<void> {
  const who = await developer(world, 'packager');
  const target = `${SITE_REGISTRY}/team/${name}:v1`;
  const from = `${SITE_REGISTRY}/docker.io/library/busybox:1.35`;
  const run = ['--entrypoint', 'sleep,3600', '--user', '65532', '--label', `made=${name}`];
  await crane(who, 'mutate', from, ...run, '--tag', target);
  world.made.set(name, await crane(who, 'digest', target));
}
