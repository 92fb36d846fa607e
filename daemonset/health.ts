import http from 'node:http';

import type { Clock } from '../appliance/kernel/clock.ts';
import type { AgentStatus } from './agent.ts';

/** What an agent's probes ask. */
export interface AgentHealth {
  readonly status: () => AgentStatus | undefined;
  readonly clock: Clock;
}

/** An answer to a probe. */
export interface ProbeAnswer {
  readonly status: number;
  readonly body: string;
}

/** An agent whose last step ended longer ago than this is stuck. */
const STUCK_MS = 600_000;

/** `/healthz`: not stuck. `/readyz`: trust synced. `/metrics`: numbers in Prometheus' text format. */
export function probe({ status, clock }: AgentHealth, path: string): ProbeAnswer {
  const current = status();
  const age = current === undefined ? 0 : clock.now().getTime() - current.steppedAt.getTime();
  switch (path) {
    case '/healthz':
      return age < STUCK_MS ? { status: 200, body: 'ok\n' } : { status: 500, body: 'no step for ten minutes\n' };
    case '/readyz':
      return current?.report.synced === true
        ? { status: 200, body: 'ok\n' }
        : { status: 503, body: `${current?.report.reason ?? 'starting'}\n` };
    case '/metrics':
      return { status: 200, body: metrics(current) };
    default:
      return { status: 404, body: 'not found\n' };
  }
}

function metrics(status: AgentStatus | undefined): string {
  if (status === undefined) return gauge('sealift_agent_synced', SYNCED, 0);
  const { report, isTold } = status;
  const { number, signedAt } = report.generation ?? { number: 0, signedAt: new Date(0) };
  return [
    gauge('sealift_agent_synced', SYNCED, Number(report.synced)),
    gauge('sealift_agent_generation', 'Number of the generation in use.', number),
    gauge('sealift_agent_signed_timestamp_seconds', 'When the site signed it.', signedAt.getTime() / 1000),
    gauge('sealift_agent_told', 'Whether the API server has the last report.', Number(isTold)),
    gauge('sealift_agent_reason', 'The reason of the TrustSynced condition.', 1, `{reason="${report.reason}"}`),
  ].join('');
}

const SYNCED = 'Whether verified trust is in use on this node.';

// eslint-disable-next-line max-params -- one line of a text format
function gauge(name: string, help: string, value: number, labels = ''): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name}${labels} ${value}\n`;
}

/** A server for the probes, without TLS as kubelet's probes are; not listening yet. */
export function probeServer(answer: (path: string) => ProbeAnswer): http.Server {
  const server = http.createServer({ headersTimeout: 5000, requestTimeout: 10_000 }, (request, response) => {
    const { status, body } = answer((request.url ?? '/').split('?', 1)[0] ?? '/');
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
  });
  server.maxConnections = 64;
  return server;
}
