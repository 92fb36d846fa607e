import { readdir, readFile } from 'node:fs/promises';
import test from 'ava';
import { bringUp } from '../../../scripts/lab/bring-up.ts';
import { allHierarchies } from '../../../scripts/lab/cgroups.ts';
import { bringDown } from '../../../scripts/lab/down.ts';
import { loadLab, runIn, startIn } from '../../../scripts/lab/lab.ts';
import { labLayout } from '../../../scripts/lab/layout.ts';
import { run } from '../../../scripts/lab/program.ts';
import { lineProgress } from '../../../scripts/lab/steps.ts';
import { leftovers } from '../../../scripts/lab/take-down.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';

const NAME = `gone-${process.pid}`;
const progress = lineProgress((line) => console.error(line));

/** What this machine has that the lab called NAME could have added to. */
async function machine(): Promise<Record<string, string[]>> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' ')[4] ?? '');
  const cgroups = await Promise.all((await allHierarchies()).map(async (root) => await readdir(root)));
  const links = JSON.parse((await run(['ip', '-j', 'link'])).stdout) as { ifname: string }[];
  const rules = await run(['/usr/sbin/nft', 'list', 'ruleset']);
  return {
    mounts: mounts.filter((point) => point.includes(NAME)),
    namespaces: (await readdir('/run/netns').catch(() => [])).filter((name) => name.startsWith(NAME)),
    cgroups: cgroups.flat().filter((name) => name.includes(NAME)),
    links: links.map(({ ifname }) => ifname),
    rules: rules.stdout.split('\n'),
    processes: await processes(),
  };
}

/** Processes (not those that ended and wait for init) whose words name the lab. */
async function processes(): Promise<string[]> {
  const { stdout } = await run(['ps', '-eo', 'stat=,args=']);
  return stdout.split('\n').filter((line) => !line.startsWith('Z') && line.includes(`labs/${NAME}/`));
}

test.after.always('take it down', async () => await bringDown(NAME, progress));

test('a lab that goes down leaves the machine as it was', async (t) => {
  const before = await machine();
  await bringUp(NAME, progress);
  const lab = await loadLab(NAME);
  t.notDeepEqual(await machine(), before);
  await startIn(lab, 'connected', { name: 'sleeper', argv: ['sleep', '600'] });
  await bringDown(NAME, progress);
  await waitUntil('its processes to be gone', {
    timeoutMs: 10_000,
    probe: async () => (await processes()).length === 0,
  });
  t.deepEqual(await machine(), before);
  t.deepEqual(await leftovers(labLayout(NAME)), []);
});

test('a lab taken down twice is no error', async (t) => {
  await t.notThrowsAsync(bringDown(NAME, progress));
});

test('a lab that came up in part is taken down whole', async (t) => {
  const before = await machine();
  const stopAt = new Error('stop here');
  const stopping = lineProgress((line) => {
    if (line.includes('node-2: container runtime')) throw stopAt;
  });
  await t.throwsAsync(bringUp(NAME, stopping));
  await t.throwsAsync(loadLab(NAME), { code: 'LAB_MISSING', message: /only in part/ });
  await bringDown(NAME, progress);
  await waitUntil('its processes to be gone', {
    timeoutMs: 10_000,
    probe: async () => (await processes()).length === 0,
  });
  t.deepEqual(await machine(), before);
});

test('a lab that is up is left as it is', async (t) => {
  await bringUp(NAME, progress);
  const lab = await loadLab(NAME);
  const apiServer = await readFile(`${lab.dir}/pids/kube-apiserver`, 'utf8');
  await bringUp(NAME, progress);
  t.is(await readFile(`${lab.dir}/pids/kube-apiserver`, 'utf8'), apiServer);
});

test('the connected side and the site can’t reach each other', async (t) => {
  const lab = await loadLab(NAME);
  const links = await runIn(lab, 'connected', ['ip', '-j', 'link']);
  t.deepEqual(
    (JSON.parse(links.stdout) as { ifname: string }[]).map(({ ifname }) => ifname),
    ['lo'],
  );
  const { code, stderr } = await runIn(lab, 'connected', {
    argv: ['bash', '-c', `echo > /dev/udp/${lab.operator.ip}/9`],
    allow: 'any',
  });
  t.not(code, 0);
  t.regex(stderr, /unreachable/);
});
