import { parseArgs } from 'node:util';
import { CodedError, describeError } from '../../appliance/kernel/coded-error.ts';
import { LabError } from './lab-error.ts';

/** The lab that is meant when no name is given. */
const DEFAULT_NAME = 'dev';

/**
 * Runs one of the lab's commands: reads `--name`, checks the rights, and turns an error into words and exit code 1.
 * @param work gets the lab's name and returns the exit code.
 */
export async function labCommand(work: (name: string) => Promise<number>): Promise<void> {
  try {
    const { values } = parseArgs({ options: { name: { type: 'string', default: DEFAULT_NAME } }, strict: true });
    if (process.getuid?.() !== 0) {
      throw new LabError('NOT_ROOT', 'the lab makes namespaces, mounts and cgroups, which only root may', {
        fix: 'run it as root, on a machine that you may change',
      });
    }
    process.exitCode = await work(values.name);
  } catch (error) {
    console.error(describeError(error));
    if (error instanceof CodedError && error.fix !== undefined) console.error(`next: ${error.fix}`);
    process.exitCode = 1;
  }
}
