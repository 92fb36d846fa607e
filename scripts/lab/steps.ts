import { CodedError } from '../../appliance/kernel/coded-error.ts';
import { LabError } from './lab-error.ts';

/** Tells what is going on, with the seconds since the start. */
export interface Progress {
  readonly say: (line: string) => void;
  /**
   * Does one named step and tells how long it took.
   * @throws LabError `STEP_FAILED` with the step's title; its `fix` is the cause's.
   */
  readonly step: <T>(title: string, work: () => Promise<T>) => Promise<T>;
}

/** Progress in plain lines, through `write`. */
export function lineProgress(write: (line: string) => void = console.log): Progress {
  const started = Date.now();
  const say = (line: string) => write(`[${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s] ${line}`);
  return {
    say,
    step: async (title, work) => {
      const began = Date.now();
      say(`${title} …`);
      try {
        const result = await work();
        say(`${title}: done in ${((Date.now() - began) / 1000).toFixed(1)} s`);
        return result;
      } catch (cause) {
        const fix = cause instanceof CodedError ? cause.fix : undefined;
        throw new LabError('STEP_FAILED', `${title}: failed`, {
          cause,
          ...(fix === undefined ? {} : { fix }),
        });
      }
    },
  };
}
