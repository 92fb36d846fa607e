import { clockAt } from '../../appliance/kernel/clock.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { hostFiles } from '../../daemonset/host-files.ts';
import { MirrorHosts } from '../../daemonset/mirror-hosts.ts';
import { NodeTrust } from '../../daemonset/node-trust.ts';
import { siteMirrors } from '../../daemonset/site-names.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import { nodePaths } from '../../trust-root/generation.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';

// A process that follows a repository without a pause until it is killed:
// crashing-agent.ts STATE_DIR CERTS_DIR TUF_URL REGISTRY_URL TIME
const [, , base = '', certs = '', tuf = '', registry = '', time = ''] = process.argv;
const paths = nodePaths(base);
const trust = new NodeTrust({
  paths,
  transport: urlTransport(new URL(tuf)),
  registry: registryClient({ mirrors: siteMirrors(registry) }),
  clock: clockAt(time),
  log: silentLog,
});
const hosts = new MirrorHosts({
  folders: { certs: hostFiles(certs), state: hostFiles(base) },
  registryAddress: '10.96.0.20',
  caPem: 'CA\n',
  hosts: [],
  log: silentLog,
});
await trust.verifyDisk();
process.stdout.write('ready\n');
for (;;) {
  const { reason, detail } = await trust.follow();
  await hosts.keep(trust.index, { dialTimeout: false, referrers: false });
  process.stdout.write(`${reason} ${detail ?? ''}\n`);
}
