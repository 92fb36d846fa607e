import { Readable } from 'node:stream';

import { ExecaError, execa } from 'execa';

import { InstallerError } from './installer-error.ts';

/** The images of one containerd, in the verbs that preparing a node needs. */
export interface ContainerdImages {
  /** Names of all images that are there whole. */
  names(): Promise<ReadonlySet<string>>;
  /** Takes an OCI archive in. */
  importArchive(archive: AsyncIterable<Buffer>): Promise<void>;
  /** Gives an image another name. */
  tag(name: string, alias: string): Promise<void>;
  /** Keeps an image from being collected as garbage. */
  pin(name: string): Promise<void>;
  remove(name: string): Promise<void>;
}

const NAMESPACE = 'k8s.io';
const TIMEOUT_MS = 600_000;

/** Containerd behind `socket`, through its own `ctr`. */
export function ctrImages(socket: string, signal?: AbortSignal): ContainerdImages {
  const run = async (args: readonly string[], input?: Readable): Promise<string> => {
    try {
      const { stdout } = await execa('ctr', ['--address', socket, '--namespace', NAMESPACE, 'images', ...args], {
        ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
        timeout: TIMEOUT_MS,
        ...(signal === undefined ? {} : { cancelSignal: signal }),
      });
      return stdout;
    } catch (error) {
      throw explained(error, socket, args[0] ?? '');
    }
  };
  return {
    names: async () => new Set((await run(['list', '--quiet'])).split('\n').filter((line) => line !== '')),
    importArchive: async (archive) => {
      await run(['import', '-'], Readable.from(archive));
    },
    tag: async (name, alias) => {
      await run(['tag', '--force', name, alias]);
    },
    pin: async (name) => {
      await run(['label', name, 'io.cri-containerd.pinned=pinned']);
    },
    remove: async (name) => {
      await run(['remove', name]);
    },
  };
}

function explained(error: unknown, socket: string, verb: string): unknown {
  if (!(error instanceof ExecaError) || error.isCanceled) return error;
  if (error.code === 'ENOENT') {
    return new InstallerError('NODE_FAILED', 'there is no ctr in the PATH: is containerd installed?', {
      fix: 'run this on a node of the cluster, as root',
    });
  }
  const output: unknown = error.stderr;
  const said = typeof output === 'string' ? output.trim().slice(-2000) : '';
  return new InstallerError('NODE_FAILED', `ctr images ${verb}: ${said === '' ? error.shortMessage : said}`, {
    fix: `check that containerd answers at ${socket} (--containerd-socket), and that you are root`,
  });
}
