/** Milliseconds of one call, as percentiles over all measured calls. */
export interface Timing {
  readonly name: string;
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
}

/** Something to time. */
export interface Contender {
  readonly name: string;
  readonly run: () => unknown;
}

/**
 * Times contenders in one process, in turns of one call each, so that what else the machine does hits all alike.
 * @param rounds calls of each that are measured, after a tenth as many that are not.
 */
export async function measureInTurns(contenders: readonly Contender[], rounds: number): Promise<Timing[]> {
  const samples = contenders.map((): number[] => []);
  for (let round = -Math.ceil(rounds / 10); round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      const started = process.hrtime.bigint();
      await contender.run();
      if (round >= 0) samples[index]?.push(Number(process.hrtime.bigint() - started) / 1e6);
    }
  }
  return contenders.map(({ name }, index) => timingOf(name, samples[index] ?? []));
}

function timingOf(name: string, samples: readonly number[]): Timing {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { name, calls: sorted.length, p50: at(0.5), p99: at(0.99) };
}

/** A table of timings; the ratio is to the last one, the peer. */
export function timingTable(timings: readonly Timing[]): string {
  const peer = timings.at(-1);
  const width = Math.max(...timings.map(({ name }) => name.length));
  const rows = timings.map(({ name, calls, p50, p99 }) => {
    const ratio = peer === undefined ? NaN : p50 / peer.p50;
    return `${name.padEnd(width)}  ${String(calls).padStart(6)}  ${p50.toFixed(3).padStart(9)}  ${p99.toFixed(3).padStart(9)}  ${ratio.toFixed(2)}x`;
  });
  return [`${''.padEnd(width)}   calls  p50 in ms  p99 in ms  ratio of p50`, ...rows].join('\n');
}
