import { spawn } from 'node:child_process';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { digestOf } from '../../../../appliance/kernel/digest.ts';
import { ensureImageLayout } from '../../../../scripts/images/image-layout.ts';
import { textFile } from '../../../../scripts/images/layer-files.ts';
import { binaryPath } from '../../../../scripts/lab/build-binaries.ts';
import { populateRegistry } from '../../../../scripts/lab/connected/registry-storage.ts';
import { binaryPin } from '../../../../scripts/lab/pins.ts';

/** The address that the registry says it listens on. */
async function started(t: ExecutionContext, program: string, config: string): Promise<string> {
  const child = spawn(program, ['serve', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  return await new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const found = /listening on ([\d.]+:\d+)/.exec(output)?.[1];
        if (found !== undefined) resolve(found);
      });
    }
    child.on('close', () => reject(new Error(output)));
  });
}

test('a real registry serves what was put into its storage', async (t) => {
  const program = binaryPath(binaryPin('registry'));
  const built = await access(program).then(
    () => true,
    () => false,
  );
  if (!built) {
    t.log('skipped: the registry is not built; run node scripts/lab/build-binaries.ts registry');
    t.pass();
    return;
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-registry-'));
  t.teardown(async () => await rm(folder, { recursive: true }));
  const platform = (architecture: 'amd64' | 'arm64') => ({
    architecture,
    config: {},
    layers: [[textFile('a', architecture)]],
  });
  const image = { reference: 'ghcr.io/acme/app:v1', platforms: [platform('amd64'), platform('arm64')] };
  const layout = await ensureImageLayout(image, path.join(folder, 'images'));
  await populateRegistry(path.join(folder, 'storage'), [layout]);
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: path.join(folder, 'storage') } },
    http: { addr: '127.0.0.1:0' },
  };
  await writeFile(path.join(folder, 'config.yml'), JSON.stringify(config));
  const address = await started(t, program, path.join(folder, 'config.yml'));
  const get = async (rest: string) => {
    const headers = { accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' };
    const response = await fetch(`http://${address}/v2/ghcr.io/acme/app/${rest}`, { headers });
    t.is(response.status, 200, rest);
    return Buffer.from(await response.arrayBuffer());
  };
  const index = await get('manifests/v1');
  t.is(digestOf(index), layout.digest);
  for (const { digest } of (JSON.parse(index.toString()) as { manifests: { digest: string }[] }).manifests) {
    const child = JSON.parse((await get(`manifests/${digest}`)).toString()) as { layers: { digest: string }[] };
    for (const layer of child.layers) t.is(String(digestOf(await get(`blobs/${layer.digest}`))), layer.digest);
  }
});
