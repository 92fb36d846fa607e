import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { labCommand } from './command.ts';
import { withFileLock } from './file-lock.ts';
import { labLayout } from './layout.ts';
import { lineProgress, type Progress } from './steps.ts';
import { takeDown } from './take-down.ts';

/** Takes the lab called `name` down; nothing to do is no error. */
export async function bringDown(name: string, progress: Progress): Promise<void> {
  const layout = labLayout(name);
  await withFileLock(
    path.join(cacheFolder(), 'lab.lock'),
    () => progress.step(`taking down lab ${name}`, () => takeDown(layout)),
    () => progress.say('waiting for another lab to come up or go down'),
  );
}

if (import.meta.main) {
  await labCommand(async (name) => {
    await bringDown(name, lineProgress());
    return 0;
  });
}
