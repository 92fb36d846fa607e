import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { debianFiles } from './debian-files.ts';
import type { LayerEntry } from './layer.ts';
import { filesBelow, folder, link, textFile } from './layer-files.ts';

/** Distroless' user without rights; Sealift's images run as it too. */
export const NONROOT = 65532;
/** The search path of distroless, ko and Debian images alike. */
export const PATH_ENV = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const CERTIFICATES_ENV = 'SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt';

/** One user more than root, nobody and nonroot. */
export interface ImageUser {
  readonly name: string;
  readonly id: number;
  readonly home: string;
}

/** What every image has: users, `/tmp`, public certificates. As in `gcr.io/distroless/static`, without time zones. */
export async function baseLayer(extra?: ImageUser): Promise<LayerEntry[]> {
  const users: ImageUser[] = [
    { name: 'root', id: 0, home: '/root' },
    { name: 'nobody', id: 65534, home: '/nonexistent' },
    { name: 'nonroot', id: NONROOT, home: '/home/nonroot' },
    ...(extra === undefined ? [] : [extra]),
  ];
  const passwd = users.map(({ name, id, home }) => `${name}:x:${id}:${id}:${name}:${home}:/sbin/nologin\n`);
  return [
    textFile('etc/passwd', passwd.join('')),
    textFile('etc/group', users.map(({ name, id }) => `${name}:x:${id}:\n`).join('')),
    textFile('etc/nsswitch.conf', 'hosts: files dns\n'),
    textFile('etc/ssl/certs/ca-certificates.crt', await publicCertificates()),
    folder('tmp', { mode: 0o1777 }),
    folder('var/tmp', { mode: 0o1777 }),
    folder('run'),
    link('var/run', '/run'),
    folder('root', { mode: 0o700 }),
    folder('home/nonroot', { mode: 0o700, uid: NONROOT, gid: NONROOT }),
  ];
}

async function publicCertificates(): Promise<string> {
  const [root = ''] = await debianFiles(['ca-certificates']);
  const store = path.join(root, 'usr/share/ca-certificates/mozilla');
  const names = (await readdir(store)).sort();
  const texts = await Promise.all(names.map(async (name) => await readFile(path.join(store, name), 'utf8')));
  return texts.join('');
}

const UNWANTED = /^usr\/share\/(doc|man|locale|lintian|bug|info|menu)\/|\/gconv\/|^etc\/skel\//;

/** The files of Debian packages, without documentation, translations and glibc's character set tables. */
export async function debianLayer(
  names: readonly string[],
  keep: (at: string) => boolean = () => true,
): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  for (const root of await debianFiles(names)) {
    entries.push(...(await filesBelow(root, (at) => !UNWANTED.test(at) && keep(at))));
  }
  return entries;
}

/** The packages that any program linked to glibc and libstdc++ needs. */
export const C_LIBRARIES = ['libc6', 'libgcc-s1', 'libstdc++6'] as const;
