import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { debianFiles } from '../../images/debian-files.ts';
import { MARIADB_PACKAGES } from '../../images/mariadb-image.ts';
import type { Daemon } from '../daemon.ts';
import { run } from '../program.ts';
import { PORTS } from './upstream.ts';

/** The schema that Sealift's own chart gives to the site's database. */
const TRILLIAN_SCHEMA = path.resolve(import.meta.dirname, '../../../charts/mariadb/files/trillian.sql');

/** A database that is made and ready to be started. */
export interface Database {
  readonly daemon: Daemon;
  /** Go's MySQL driver's way to name it, without parameters. */
  readonly dsn: string;
}

/**
 * Makes the database for Trillian and Rekor's index in `folder`, from Debian's MariaDB, which is unpacked in the cache
 * and not installed.
 */
export async function makeDatabase(folder: string): Promise<Database> {
  const folders = await debianFiles(MARIADB_PACKAGES);
  const server = packageFolder(folders, 'mariadb-server-core');
  const data = path.join(folder, 'data');
  await mkdir(data, { recursive: true });
  const password = randomBytes(18).toString('base64url');
  // The C library and its loader stay this machine's; Debian's packages of one release fit together.
  const libraries = folders
    .filter((name) => !/\/libc6_/.test(name))
    .flatMap((name) => [`${name}/lib/x86_64-linux-gnu`, `${name}/usr/lib/x86_64-linux-gnu`]);
  const env = { LD_LIBRARY_PATH: libraries.join(':') };
  const common = [
    `${server}/usr/sbin/mariadbd`,
    '--no-defaults',
    '--user=root',
    `--datadir=${data}`,
    `--lc-messages-dir=${server}/usr/share/mysql`,
    `--character-sets-dir=${server}/usr/share/mysql/charsets`,
    `--plugin-dir=${folder}`,
    '--skip-name-resolve',
    '--innodb-flush-log-at-trx-commit=2',
  ];
  const script = await bootstrapScript(`${server}/usr/share/mysql`, password);
  await writeFile(path.join(folder, 'bootstrap.sql'), script, { mode: 0o600 });
  await run([...common, '--bootstrap', '--skip-networking', '--log-warnings=0'], {
    env: { ...process.env, ...env },
    input: script,
    timeoutMs: 60_000,
  });
  const listen = ['--bind-address=127.0.0.1', `--port=${PORTS.database}`, `--socket=${folder}/socket`];
  return {
    daemon: { name: 'connected-mariadb', place: 'connected', argv: [...common, ...listen], env },
    dsn: `trillian:${password}@tcp(127.0.0.1:${PORTS.database})/trillian`,
  };
}

function packageFolder(folders: readonly string[], name: string): string {
  return folders.find((folder) => path.basename(folder).startsWith(`${name}_`)) ?? '';
}

/** What mariadb-install-db feeds to the server, without help texts, then our own database and user. */
async function bootstrapScript(share: string, password: string): Promise<string> {
  const files = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql'];
  const system = await Promise.all(files.map(async (name) => await readFile(path.join(share, name), 'utf8')));
  return [
    'create database mysql;\nuse mysql;\nset @auth_root_socket=NULL;\n',
    ...system,
    '\nflush privileges;\n',
    'create database trillian;\nuse trillian;\n',
    await readFile(TRILLIAN_SCHEMA, 'utf8'),
    `\ncreate user 'trillian'@'%' identified by '${password}';\n`,
    "grant all on trillian.* to 'trillian'@'%';\n",
  ].join('');
}
