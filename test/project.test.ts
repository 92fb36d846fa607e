import { readFileSync } from 'node:fs';

import test from 'ava';

import { VERSION } from '../appliance/version.ts';

interface PackageJson {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
}

const packageJson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as PackageJson;

test('the program says the version of package.json', (t) => {
  t.is(VERSION, packageJson.version);
});

test('Taskfile.yml offers every npm script', (t) => {
  const taskfile = readFileSync(new URL('../Taskfile.yml', import.meta.url), 'utf8');
  t.deepEqual(
    Object.keys(packageJson.scripts).filter((name) => !taskfile.includes(`.RUN}} ${name}`)),
    [],
  );
});

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
}

test('the lock file holds every platform package that it names, so that npm ci takes it', (t) => {
  const text = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
  const { packages } = JSON.parse(text) as LockFile;
  const missing = Object.entries(packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !placesOf(name, place).some((at) => at in packages)),
  );
  t.deepEqual(missing, []);
});

/** Where Node looks for `name` from a package: its own node_modules, then those of every folder above it. */
function placesOf(name: string, from: string): string[] {
  const nested = from.split('/node_modules/');
  const above = nested.map((_, index) => nested.slice(0, nested.length - index).join('/node_modules/'));
  return [
    ...above.filter((folder) => folder !== '').map((folder) => `${folder}/node_modules/${name}`),
    `node_modules/${name}`,
  ];
}
