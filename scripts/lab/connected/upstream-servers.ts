import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump } from 'js-yaml';
import type { Daemon } from '../daemon.ts';
import { SOURCE_HOST } from './identity-token.ts';
import { CTLOG_PREFIX, ISSUERS, localUrl, PORTS, UPSTREAM_HOSTS, type UpstreamPaths } from './upstream.ts';
import type { UpstreamKeys } from './upstream-keys.ts';

/** What the servers of the upstream Sigstore are made from. */
export interface UpstreamParts {
  readonly paths: UpstreamPaths;
  readonly keys: UpstreamKeys;
  /** Programs by name. */
  readonly binaries: ReadonlyMap<string, string>;
  /** The database as Go's MySQL driver names it, without parameters. */
  readonly dsn: string;
}

/** The ids of the two logs' trees. */
export interface Trees {
  readonly rekor: string;
  readonly ctlog: string;
}

/** A server, and the URL that answers when it is ready. */
export interface Server extends Daemon {
  readonly readyUrl: string;
}

function server(name: string, readyUrl: string, argv: readonly string[]): Server {
  return { name: `connected-${name}`, place: 'connected', argv, readyUrl };
}

function programOf({ binaries }: UpstreamParts, name: string): string {
  return binaries.get(name) ?? name;
}

/** The registry over a storage folder that is there already. */
export async function registryServer(parts: UpstreamParts): Promise<Server> {
  const config = {
    version: '0.1',
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: parts.paths.registry },
      delete: { enabled: true },
      cache: { blobdescriptor: 'inmemory' },
    },
    http: { addr: `127.0.0.1:${PORTS.registry}` },
  };
  // JSON is YAML.
  const file = await configFile(parts, 'registry.yml', JSON.stringify(config));
  const argv = [programOf(parts, 'registry'), 'serve', file];
  return { ...server('registry', `${localUrl(PORTS.registry)}/v2/`, argv), env: { OTEL_TRACES_EXPORTER: 'none' } };
}

/** Trillian's log server and log signer. */
export function trillianServers(parts: UpstreamParts): Server[] {
  const words = (rpc: number, http: number) => [
    '--storage_system=mysql',
    '--quota_system=mysql',
    `--mysql_uri=${parts.dsn}?parseTime=true&interpolateParams=true`,
    `--rpc_endpoint=127.0.0.1:${rpc}`,
    `--http_endpoint=127.0.0.1:${http}`,
    '--logtostderr',
  ];
  const { trillian, trillianHttp, trillianSigner, trillianSignerHttp } = PORTS;
  return [
    server('trillian-log-server', `${localUrl(trillianHttp)}/healthz`, [
      programOf(parts, 'trillian_log_server'),
      ...words(trillian, trillianHttp),
      '--tree_gc=false',
    ]),
    server('trillian-log-signer', `${localUrl(trillianSignerHttp)}/healthz`, [
      programOf(parts, 'trillian_log_signer'),
      ...words(trillianSigner, trillianSignerHttp),
      '--force_master=true',
      // Signatures wait for the next round of the signer: here, not long.
      '--sequencer_interval=50ms',
    ]),
  ];
}

/** Rekor v1 and the CT log, over their trees. */
export async function logServers(parts: UpstreamParts, trees: Trees): Promise<Server[]> {
  const { keys } = parts;
  const ctConfig = await configFile(parts, 'ctlog.cfg', ctlogConfig(parts, trees.ctlog));
  return [
    server('ctlog', `${localUrl(PORTS.ctlog)}/${CTLOG_PREFIX}/ct/v1/get-sth`, [
      programOf(parts, 'ct_server'),
      `--http_endpoint=127.0.0.1:${PORTS.ctlog}`,
      `--metrics_endpoint=127.0.0.1:${PORTS.ctlogMetrics}`,
      `--log_config=${ctConfig}`,
      '--logtostderr',
    ]),
    server('rekor', `${localUrl(PORTS.rekor)}/api/v1/log`, [
      programOf(parts, 'rekor-server'),
      'serve',
      '--host=127.0.0.1',
      `--port=${PORTS.rekor}`,
      `--rekor_server.hostname=${UPSTREAM_HOSTS.rekor}`,
      `--rekor_server.signer=${keys.rekor.file}`,
      `--rekor_server.signer-passwd=${keys.rekor.passphrase}`,
      '--trillian_log_server.address=127.0.0.1',
      `--trillian_log_server.port=${PORTS.trillian}`,
      `--trillian_log_server.tlog_id=${trees.rekor}`,
      '--search_index.storage_provider=mysql',
      `--search_index.mysql.dsn=${parts.dsn}`,
      '--log_type=prod',
    ]),
  ];
}

function ctlogConfig({ keys, paths }: UpstreamParts, tree: string): string {
  return [
    `backends: { backend: { name: "trillian" backend_spec: "127.0.0.1:${PORTS.trillian}" } }`,
    'log_configs: { config: {',
    `  log_id: ${tree} prefix: "${CTLOG_PREFIX}" log_backend_name: "trillian" ext_key_usages: "CodeSigning"`,
    `  roots_pem_file: "${paths.certificates}/fulcio-root.pem"`,
    `  private_key: { [type.googleapis.com/keyspb.PEMKeyFile]: { path: "${keys.ctlog.file}" password: "${keys.ctlog.passphrase}" } }`,
    '} }',
    '',
  ].join('\n');
}

/** Rekor v2, whose tiles land in a folder, and the timestamp authority that its signatures need. */
export async function timestampedServers(parts: UpstreamParts): Promise<Server[]> {
  const { keys, paths } = parts;
  const chain = await configFile(parts, 'tsa-chain.pem', keys.tsaChain);
  return [
    server('rekor-v2', `${localUrl(PORTS.rekorV2)}/healthz`, [
      programOf(parts, 'rekor-server-posix'),
      'serve',
      '--http-address=127.0.0.1',
      `--http-port=${PORTS.rekorV2}`,
      '--grpc-address=127.0.0.1',
      `--grpc-port=${PORTS.rekorV2Grpc}`,
      `--http-metrics-port=${PORTS.rekorV2Metrics}`,
      `--hostname=${UPSTREAM_HOSTS.rekorV2}`,
      `--signer-filepath=${keys.rekorV2.file}`,
      `--storage-dir=${paths.tiles}`,
      '--checkpoint-interval=100ms',
      '--batch-max-age=50ms',
      '--persistent-antispam',
      '--log-level=warn',
    ]),
    server('tsa', `${localUrl(PORTS.tsa)}/ping`, [
      programOf(parts, 'timestamp-server'),
      'serve',
      '--host=127.0.0.1',
      `--port=${PORTS.tsa}`,
      '--timestamp-signer=file',
      `--file-signer-key-path=${keys.tsa.file}`,
      `--file-signer-passwd=${keys.tsa.passphrase}`,
      `--certificate-chain-path=${chain}`,
      '--disable-ntp-monitoring',
      '--log-type=prod',
    ]),
  ];
}

/**
 * Fulcio. It finds the issuers by their public names, so it gets a mount namespace with a hosts file of its own; their
 * authority is part of its configuration.
 */
export async function fulcioServer(parts: UpstreamParts): Promise<Server> {
  const { keys } = parts;
  const chain = await configFile(parts, 'fulcio-chain.pem', keys.fulcioChain);
  // Fulcio takes JSON too, but with other key names: what is meant as YAML must not parse as JSON.
  const config = await configFile(parts, 'fulcio.yaml', dump(fulcioConfig(keys)));
  const names = Object.values(ISSUERS).map((url) => new URL(url).hostname);
  const hosts = await configFile(parts, 'hosts', `127.0.0.1 localhost ${names.join(' ')}\n`);
  return server('fulcio', `${localUrl(PORTS.fulcio)}/healthz`, [
    ...['unshare', '--mount', '--propagation=private', 'sh', '-ec'],
    ...['mount --bind "$1" /etc/hosts; shift; exec "$@"', 'sh', hosts],
    programOf(parts, 'fulcio'),
    'serve',
    '--host=127.0.0.1',
    `--port=${PORTS.fulcio}`,
    '--grpc-host=127.0.0.1',
    `--grpc-port=${PORTS.fulcioGrpc}`,
    `--metrics-port=${PORTS.fulcioMetrics}`,
    `--config-path=${config}`,
    '--ca=fileca',
    `--fileca-key=${keys.fulcio.file}`,
    `--fileca-key-passwd=${keys.fulcio.passphrase}`,
    `--fileca-cert=${chain}`,
    '--fileca-watch=false',
    `--ct-log-url=${localUrl(PORTS.ctlog)}/${CTLOG_PREFIX}`,
    `--legacy-unix-domain-socket=@sealift-fulcio-${process.pid}`,
    '--log_type=prod',
  ]);
}

function fulcioConfig({ webAuthority }: UpstreamKeys): object {
  const issuer = (url: string, more: object) => ({
    'issuer-url': url,
    'client-id': 'sigstore',
    'ca-cert': webAuthority,
    ...more,
  });
  return {
    'oidc-issuers': {
      [ISSUERS.accounts]: issuer(ISSUERS.accounts, { type: 'email' }),
      [ISSUERS.ci]: issuer(ISSUERS.ci, { type: 'ci-provider', 'ci-provider': 'acme-ci' }),
    },
    'ci-issuer-metadata': {
      'acme-ci': {
        'default-template-values': { url: SOURCE_HOST },
        'extension-templates': {
          'build-signer-uri': '{{ .url }}/{{ .job_workflow_ref }}',
          'runner-environment': 'runner_environment',
          'source-repository-uri': '{{ .url }}/{{ .repository }}',
          'source-repository-digest': 'sha',
          'source-repository-ref': 'ref',
          'build-trigger': 'event_name',
          'run-invocation-uri': '{{ .url }}/{{ .repository }}/runs/{{ .run_id }}',
        },
        'subject-alternative-name-template': '{{ .url }}/{{ .job_workflow_ref }}',
      },
    },
  };
}

/** The connected side's own web server: issuers, TUF repository, tiles. */
export function webServer({ paths }: UpstreamParts): Server {
  const script = path.join(import.meta.dirname, 'web-server.ts');
  return server('web', `${localUrl(PORTS.tuf)}/root.json`, [process.execPath, script, JSON.stringify(paths)]);
}

async function configFile({ paths }: UpstreamParts, name: string, content: string): Promise<string> {
  const file = path.join(paths.config, name);
  await mkdir(paths.config, { recursive: true });
  await writeFile(file, content, { mode: 0o600 });
  return file;
}
