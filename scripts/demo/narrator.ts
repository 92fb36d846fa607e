/** Tells the story of a run as it happens. */
export interface Narrator {
  /** A chapter: what side we are on, and what it is about. */
  chapter(side: 'connected side' | 'air gap' | 'site', title: string): void;
  /** Something that was just done, with the milliseconds it took where that says something. */
  fact(text: string, ms?: number): void;
}

/** A row of the closing table. */
export interface VerdictRow {
  readonly image: string;
  readonly verdict: string;
  readonly reason: string;
  readonly ms: number;
}

/** A narrator that writes lines through `write`. */
export function narrator(write: (line: string) => void): Narrator {
  return {
    chapter: (side, title) => write(`\n── ${side}: ${title}`),
    fact: (text, ms) => write(`   ${text}${ms === undefined ? '' : `  (${ms.toFixed(ms < 10 ? 1 : 0)} ms)`}`),
  };
}

/** Does `work` and tells the milliseconds that it took. */
export async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const started = performance.now();
  const value = await work();
  return { value, ms: performance.now() - started };
}

/** The rows as text, reasons cut to what a line holds. */
export function verdictTable(rows: readonly VerdictRow[]): string {
  const widest = (pick: (row: VerdictRow) => string): number => Math.max(...rows.map((row) => pick(row).length));
  const image = widest((row) => row.image);
  const verdict = widest((row) => row.verdict);
  const line = (cells: readonly [string, string, string, string]): string =>
    `   ${cells[0].padEnd(image)}  ${cells[1].padEnd(verdict)}  ${cells[2].padStart(6)}  ${cells[3]}`;
  return [
    line(['image', 'verdict', 'ms', 'reason']),
    ...rows.map((row) => line([row.image, row.verdict, row.ms.toFixed(1), row.reason])),
  ].join('\n');
}
