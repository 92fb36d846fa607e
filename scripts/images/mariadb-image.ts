import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { baseLayer, C_LIBRARIES, debianLayer, PATH_ENV } from './base-layer.ts';
import { busyboxLayer } from './busybox-layer.ts';
import type { Image } from './image.ts';
import type { LayerEntry } from './layer.ts';
import { folder, link, textFile } from './layer-files.ts';

const HERE = path.join(import.meta.dirname, 'mariadb');
/** The user of the official image. */
const MYSQL = { uid: 999, gid: 999 };

/** Every Debian package of which the database needs files, with the libraries that its programs are linked to. */
export const MARIADB_PACKAGES = [
  ...C_LIBRARIES,
  'mariadb-server-core',
  'mariadb-client-core',
  'mariadb-client',
  'bash',
  'gosu',
  'libaio1',
  'libcap2',
  'libcrypt1',
  'libedit2',
  'libbsd0',
  'libmd0',
  'libgcrypt20',
  'libgpg-error0',
  'liblz4-1',
  'liblzma5',
  'libmariadb3',
  'libncurses6',
  'libnuma1',
  'libpcre2-8-0',
  'libssl3',
  'libsystemd0',
  'libtinfo6',
  'liburing2',
  'libzstd1',
  'zlib1g',
] as const;

const PROGRAMS = new Set([
  ...['bin/bash', 'usr/sbin/gosu', 'usr/sbin/mariadbd', 'usr/sbin/mysqld'],
  ...['usr/bin/mariadb-install-db', 'usr/bin/mariadb-upgrade', 'usr/bin/resolveip', 'usr/bin/mariadb', 'usr/bin/mysql'],
  ...['usr/bin/mariadb-check', 'usr/bin/my_print_defaults', 'usr/bin/mariadb-admin', 'usr/bin/mysqladmin'],
  ...['usr/bin/mariadb-dump', 'usr/bin/mysqldump', 'usr/bin/mariadb-tzinfo-to-sql'],
]);

function isWanted(at: string): boolean {
  return PROGRAMS.has(at) || /^lib64\/|^(usr\/)?lib\/.*\.so/.test(at) || at.startsWith('usr/share/mysql/');
}

async function ownFile(at: string, name: string, mode: number): Promise<LayerEntry> {
  return textFile(at, await readFile(path.join(HERE, name)), { mode });
}

/** MariaDB 10.11 from Debian, behind the official image's contract. */
export async function mariadbImage(): Promise<Image> {
  const base = await baseLayer({ name: 'mysql', id: MYSQL.uid, home: '/var/lib/mysql' });
  return {
    reference: 'docker.io/library/mariadb:10.11',
    platforms: [
      {
        architecture: 'amd64',
        config: {
          env: [PATH_ENV, 'LANG=C.UTF-8', 'GOSU_VERSION=1.14'],
          entrypoint: ['docker-entrypoint.sh'],
          cmd: ['mariadbd'],
          exposedPorts: ['3306/tcp'],
          volumes: ['/var/lib/mysql'],
        },
        layers: [
          [...base, ...(await busyboxLayer())],
          await debianLayer(MARIADB_PACKAGES, isWanted),
          [
            await ownFile('usr/local/bin/docker-entrypoint.sh', 'docker-entrypoint.sh', 0o755),
            await ownFile('usr/local/bin/healthcheck.sh', 'healthcheck.sh', 0o755),
            await ownFile('etc/mysql/mariadb.cnf', 'mariadb.cnf', 0o644),
            link('etc/mysql/my.cnf', 'mariadb.cnf'),
            await ownFile('etc/mysql/mariadb.conf.d/05-container.cnf', '05-container.cnf', 0o644),
            folder('etc/mysql/conf.d'),
            folder('docker-entrypoint-initdb.d'),
            folder('var/lib/mysql', MYSQL),
            folder('run/mysqld', { ...MYSQL, mode: 0o777 }),
          ],
        ],
      },
    ],
  };
}
