import { Command } from '@commander-js/extra-typings';
import { acceptanceCommand } from './commands/acceptance.ts';
import { agentCommand } from './commands/agent.ts';
import { bundleCommand } from './commands/bundle.ts';
import { controllerCommand } from './commands/controller.ts';
import { enforceCommand } from './commands/enforce.ts';
import { installCommand } from './commands/install.ts';
import { issuerRelayCommand } from './commands/issuer-relay.ts';
import { nodeCommand } from './commands/node.ts';
import { policyCommand } from './commands/policy.ts';
import { registryGateCommand } from './commands/registry-gate.ts';
import { statusCommand } from './commands/status.ts';
import { tlsProxyCommand } from './commands/tls-proxy.ts';
import { trustCommand } from './commands/trust.ts';
import { tufServerCommand } from './commands/tuf-server.ts';
import { uninstallCommand } from './commands/uninstall.ts';
import { verifyCommand } from './commands/verify.ts';
import { webhookCommand } from './commands/webhook.ts';
import type { Runtime } from './runtime.ts';
import { VERSION } from './version.ts';

/** The whole command tree over `runtime`. */
export function buildProgram(runtime: Runtime): Command {
  const program = new Command('sealift')
    .description('Carries signed software, and the trust to check it, into disconnected Kubernetes clusters.')
    .version(VERSION)
    .configureOutput({
      writeOut: (text) => runtime.stdout.write(text),
      writeErr: (text) => runtime.stderr.write(text),
    })
    .showHelpAfterError('(run with --help for the options)');
  program.addCommand(agentCommand(runtime));
  program.addCommand(acceptanceCommand(runtime), { hidden: true });
  program.addCommand(bundleCommand(runtime));
  program.addCommand(controllerCommand(runtime));
  program.addCommand(enforceCommand(runtime));
  program.addCommand(installCommand(runtime));
  program.addCommand(issuerRelayCommand(runtime));
  program.addCommand(nodeCommand(runtime));
  program.addCommand(policyCommand(runtime));
  program.addCommand(statusCommand(runtime));
  program.addCommand(registryGateCommand(runtime));
  program.addCommand(tlsProxyCommand(runtime));
  program.addCommand(trustCommand(runtime));
  program.addCommand(tufServerCommand(runtime));
  program.addCommand(uninstallCommand(runtime));
  program.addCommand(verifyCommand(runtime));
  program.addCommand(webhookCommand(runtime));
  return program;
}
