import type { Writable } from 'node:stream';

import type { ByteProgress } from '../../mirror/create-bundle.ts';
import type { Clock } from '../kernel/clock.ts';

/** Where progress is shown. */
export interface ProgressOutput {
  readonly stream: Writable;
  readonly isTty: boolean;
  readonly clock: Clock;
}

const TTY_INTERVAL_MS = 100;
const LINE_INTERVAL_MS = 10_000;

/** Shows how far a transfer is. */
export interface ProgressDisplay {
  update(progress: ByteProgress): void;
  /** Ends the line that is being rewritten, if any. */
  end(): void;
}

/**
 * Progress by bytes, with rate and time left: on a terminal one line that is rewritten, elsewhere a line every ten
 * seconds and one at the end.
 */
export function progressDisplay(what: string, { stream, isTty, clock }: ProgressOutput): ProgressDisplay {
  const started = clock.now().getTime();
  const interval = isTty ? TTY_INTERVAL_MS : LINE_INTERVAL_MS;
  let shownAt = isTty ? 0 : started;
  let open = false;
  return {
    update: (progress) => {
      const now = clock.now().getTime();
      const isLast = progress.doneBytes >= progress.totalBytes;
      if (now - shownAt < interval && !isLast) return;
      shownAt = now;
      const line = `${what}: ${progressLine(progress, now - started)}`;
      stream.write(isTty ? `\r\u001b[K${line}` : `${line}\n`);
      open = isTty;
    },
    end: () => {
      if (open) stream.write('\n');
      open = false;
    },
  };
}

/** `1.2 GiB of 3.4 GiB, 35 %, 120.0 MiB/s, 19 s left`. */
export function progressLine({ doneBytes, totalBytes }: ByteProgress, elapsedMs: number): string {
  const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
  const perSecond = elapsedMs === 0 ? 0 : (1000 * doneBytes) / elapsedMs;
  const parts = [`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`, `${percent} %`];
  if (perSecond > 0) parts.push(`${formatBytes(perSecond)}/s`);
  if (perSecond > 0 && doneBytes < totalBytes) parts.push(`${formatTime((totalBytes - doneBytes) / perSecond)} left`);
  return parts.join(', ');
}

/** A size for people: `512 B`, `1.2 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}

function formatTime(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
