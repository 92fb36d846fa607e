import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { parseJson } from '../appliance/kernel/json.ts';
import { MirrorError } from './mirror-error.ts';

/** What a registry knows a client by. `identityToken` is an OAuth2 refresh token. Never logged. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identityToken'; readonly identityToken: string };

/** Where credentials come from. */
export interface CredentialSource {
  /** Credentials for `host` (with its port when not the scheme's own), or none. */
  credentialsFor(host: string): Promise<Credentials | undefined>;
}

/** Knows nobody. */
export const noCredentials: CredentialSource = { credentialsFor: async () => undefined };

const entrySchema = z.object({
  auth: z.string().exactOptional(),
  username: z.string().exactOptional(),
  password: z.string().exactOptional(),
  identitytoken: z.string().exactOptional(),
});

const HELPER_NAME = z.string().regex(/^[A-Za-z0-9_.-]+$/, 'expected the name of a credential helper');

const configSchema = z.object({
  auths: z.record(z.string(), entrySchema).default({}),
  credsStore: HELPER_NAME.or(z.literal('')).exactOptional(),
  credHelpers: z.record(z.string(), HELPER_NAME).default({}),
});

const helperAnswerSchema = z.object({ Username: z.string(), Secret: z.string() });

type DockerConfig = z.infer<typeof configSchema>;

/**
 * Credentials from a Docker config file (`config.json`: `auths`, `credHelpers`, `credsStore`). The file is read once.
 * @throws MirrorError `REGISTRY_AUTH_INVALID` for a file that is not there or not readable as one.
 */
export async function dockerConfigCredentials(file: string): Promise<CredentialSource> {
  const config = await readConfig(file);
  return {
    credentialsFor: async (host) => {
      const keys = keysOf(host);
      const helper = keys.map((key) => config.credHelpers[key]).find((name) => name !== undefined);
      if (helper !== undefined) return await askHelper(helper, keys[0] ?? host);
      const entry = keys.map((key) => config.auths[key]).find((found) => found !== undefined);
      const stored = entry === undefined ? undefined : credentialsIn(entry, host);
      if (stored !== undefined) return stored;
      const store = config.credsStore;
      return store === undefined || store === '' ? undefined : await askHelper(store, keys[0] ?? host);
    },
  };
}

async function readConfig(file: string): Promise<DockerConfig> {
  try {
    return configSchema.parse(parseJson(await readFile(file), file, { maxBytes: 1024 * 1024 }));
  } catch (cause) {
    throw new MirrorError('REGISTRY_AUTH_INVALID', `${file} is not readable as a docker config file`, { cause });
  }
}

/** The names under which Docker's tools file a host's credentials. */
function keysOf(host: string): string[] {
  const isHub = host === 'registry-1.docker.io' || host === 'docker.io';
  const hub = isHub ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'] : [];
  return [...hub, host, `https://${host}`, `https://${host}/`, `http://${host}`, `http://${host}/`];
}

function credentialsIn(entry: z.infer<typeof entrySchema>, host: string): Credentials | undefined {
  if (entry.identitytoken !== undefined && entry.identitytoken !== '') {
    return { kind: 'identityToken', identityToken: entry.identitytoken };
  }
  if (entry.auth !== undefined && entry.auth !== '') {
    const text = Buffer.from(entry.auth, 'base64').toString('utf8');
    const colon = text.indexOf(':');
    if (colon < 1) throw new MirrorError('REGISTRY_AUTH_INVALID', `docker config: "auth" of ${host} is malformed`);
    return { kind: 'password', username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  const { username, password } = entry;
  return username === undefined || password === undefined ? undefined : { kind: 'password', username, password };
}

/** Runs `docker-credential-<name> get`; the host goes in on standard input, a JSON answer comes out. */
async function askHelper(name: string, host: string): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  const output = await new Promise<string | undefined>((resolve, reject) => {
    const options = { timeout: 30_000, maxBuffer: 256 * 1024 };
    const child = execFile(program, ['get'], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if (/not found/i.test(stdout)) resolve(undefined);
      // Its output may hold secrets: only the exit is told.
      else reject(new MirrorError('REGISTRY_AUTH_INVALID', `${program} failed for ${host} (${String(error.code)})`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(host);
  });
  if (output === undefined) return undefined;
  const answer = helperAnswerSchema.safeParse(parseJson(output, program));
  if (!answer.success) throw new MirrorError('REGISTRY_AUTH_INVALID', `${program} gave an answer of another form`);
  const { Username: username, Secret: secret } = answer.data;
  return username === '<token>'
    ? { kind: 'identityToken', identityToken: secret }
    : { kind: 'password', username, password: secret };
}
