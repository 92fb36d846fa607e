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
