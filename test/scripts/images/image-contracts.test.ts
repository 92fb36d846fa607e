import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { VERSION } from '../../../appliance/version.ts';

const PROJECT = path.resolve(import.meta.dirname, '../../..');

/** `repository:tag` of every image that a chart's default values name. */
async function imagesOfCharts(): Promise<string[]> {
  const charts = await readdir(path.join(PROJECT, 'charts'), { withFileTypes: true });
  const found: string[] = [];
  for (const chart of charts.filter((entry) => entry.isDirectory())) {
    const text = await readFile(path.join(PROJECT, 'charts', chart.name, 'values.yaml'), 'utf8').catch(() => '');
    for (const [, repository, tag] of text.matchAll(/repository: (\S+), tag: "?([^"\s}]+)"?/g)) {
      found.push(`${repository}:${tag}`);
    }
  }
  return found;
}

test("every image of the charts has its contract written down, or is Sealift's own", async (t) => {
  const contracts = await readFile(path.join(PROJECT, 'docs/image-contracts.md'), 'utf8');
  const images = await imagesOfCharts();
  t.true(images.length > 5);
  const own = `registry.sealift.internal/sealift/sealift:${VERSION}`;
  for (const image of images) t.true(image === own || contracts.includes(image), image);
});
