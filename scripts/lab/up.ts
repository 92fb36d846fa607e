import { bringUp } from './bring-up.ts';
import { labCommand } from './command.ts';
import { printStatus } from './status.ts';
import { lineProgress } from './steps.ts';

if (import.meta.main) {
  await labCommand(async (name) => {
    await bringUp(name, lineProgress());
    return await printStatus(name);
  });
}
