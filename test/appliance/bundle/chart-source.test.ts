import { execFile } from 'node:child_process';
import { mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import test, { type ExecutionContext } from 'ava';
import { chartFolders, readChart } from '../../../appliance/bundle/chart-source.ts';
import { temporaryFolder } from '../../mirror/support/world.ts';

async function chart(t: ExecutionContext): Promise<string> {
  const folder = path.join(await temporaryFolder(t), 'source');
  await mkdir(path.join(folder, 'templates'), { recursive: true });
  await writeFile(path.join(folder, 'Chart.yaml'), 'name: my-chart\nversion: 1.2.3\n');
  await writeFile(path.join(folder, 'templates', 'a.yaml'), 'kind: Pod\n');
  return folder;
}

test('a folder is packed under the name of the chart, and reads back as packed', async (t) => {
  const folder = await chart(t);
  const packed = await readChart(folder);
  t.like(packed, { name: 'my-chart', version: '1.2.3' });
  const file = path.join(folder, '..', 'chart.tgz');
  await writeFile(file, packed.archive);
  t.deepEqual(await readChart(file), packed);
  const { stdout } = await promisify(execFile)('tar', ['-tzf', file]);
  t.deepEqual(stdout.trim().split('\n'), ['my-chart/Chart.yaml', 'my-chart/templates/a.yaml']);
});

test('equal content packs to equal bytes, whenever it was written', async (t) => {
  const folder = await chart(t);
  const before = await readChart(folder);
  await utimes(path.join(folder, 'Chart.yaml'), 1, 1);
  t.true((await readChart(folder)).archive.equals(before.archive));
});

test('a symbolic link in a chart is refused', async (t) => {
  const folder = await chart(t);
  await symlink('/etc/passwd', path.join(folder, 'templates', 'b.yaml'));
  await t.throwsAsync(readChart(folder), { code: 'CHART_INVALID' });
});

test('what is no chart is refused', async (t) => {
  const folder = await temporaryFolder(t);
  await t.throwsAsync(readChart(folder), { code: 'CHART_INVALID' });
  await t.throwsAsync(readChart(path.join(folder, 'none')), { code: 'CHART_INVALID' });
  await writeFile(path.join(folder, 'x.tgz'), 'not gzip');
  await t.throwsAsync(readChart(path.join(folder, 'x.tgz')), { code: 'CHART_INVALID' });
});

test('folders without a Chart.yaml are no charts', async (t) => {
  const folder = await chart(t);
  await mkdir(path.join(folder, '..', 'other'));
  t.deepEqual(await chartFolders(path.join(folder, '..')), [folder]);
});
