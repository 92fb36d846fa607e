/** Fields that go with a log line. Never a secret: no key, passphrase, token or password. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where a part of Sealift tells what it does. Passed in, never global. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds `fields` to each of its lines. */
  child(fields: LogFields): Log;
}

const ignore = (): void => undefined;

/** A log that drops everything. */
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silentLog };

/** A log that writes one JSON object a line through `write`; debug lines only when `verbose`. */
export function jsonLog(write: (line: string) => void, options: { verbose?: boolean; fields?: LogFields } = {}): Log {
  const { verbose = false, fields: base = {} } = options;
  const emit = (level: string) => (message: string, fields?: LogFields) => {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...base, ...fields }, errorsAsText)}\n`);
  };
  return {
    debug: verbose ? emit('debug') : ignore,
    info: emit('info'),
    warn: emit('warn'),
    error: emit('error'),
    child: (fields) => jsonLog(write, { verbose, fields: { ...base, ...fields } }),
  };
}

function errorsAsText(_key: string, value: unknown): unknown {
  return value instanceof Error ? { name: value.name, message: value.message } : value;
}
