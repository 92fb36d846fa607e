import { homedir } from 'node:os';
import path from 'node:path';

/**
 * The folder of what outlives a lab: built programs, downloaded packages, and the state of the labs that are up.
 * `${XDG_CACHE_HOME:-~/.cache}/sealift-lab`
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const base = env['XDG_CACHE_HOME'];
  return path.join(base === undefined || base === '' ? path.join(homedir(), '.cache') : base, 'sealift-lab');
}
