import { labCommand } from './command.ts';
import { daemonHealth, readyNodes } from './health.ts';
import { enterLab, outsidePackets } from './lab.ts';
import { type LabState, loadLab } from './lab-state.ts';
import { labLayout, NODE_NAMES } from './layout.ts';

/** Exit code of `lab:status` for a lab that is there but not whole. */
const UNHEALTHY = 3;

/**
 * Prints what runs in the lab called `name`, how to get in, and what has left it.
 * @returns 0 when all of it is well, 3 when not.
 */
export async function printStatus(name: string): Promise<number> {
  const lab = await loadLab(name);
  const daemons = await daemonHealth(labLayout(name));
  const ready = await readyNodes(lab);
  for (const { name: daemon, pid } of daemons) {
    console.log(`${daemon.padEnd(26)} ${pid === undefined ? 'NOT RUNNING' : `running, process ${pid}`}`);
  }
  for (const node of NODE_NAMES) console.log(`${node.padEnd(26)} ${ready.includes(node) ? 'Ready' : 'NOT READY'}`);
  await printOutside(lab);
  printWays(lab);
  const well = daemons.every(({ pid }) => pid !== undefined) && ready.length === NODE_NAMES.length;
  return well ? 0 : UNHEALTHY;
}

async function printOutside(lab: LabState): Promise<void> {
  const { packets, byPlace } = await outsidePackets(lab);
  console.log(`${'packets for outside'.padEnd(26)} ${packets}`);
  for (const [place, { flows }] of Object.entries(byPlace)) {
    for (const flow of flows) console.log(`  ${place}: ${flow.from} to ${flow.to}, ${flow.packets}`);
  }
}

function printWays(lab: LabState): void {
  console.log('\nTo work as the operator, whose host reaches the cluster and nothing else:');
  console.log(`  ${enterLab(lab, 'operator').join(' ')} env KUBECONFIG=${lab.kubeconfig} bash`);
  for (const { name } of lab.nodes) console.log(`On ${name}:\n  ${enterLab(lab, name).join(' ')} bash`);
  console.log(`On the connected side:\n  ${enterLab(lab, 'connected').join(' ')} bash`);
  console.log(`kubectl: ${lab.binaries['kubectl'] ?? ''}\nlogs: ${lab.dir}/log`);
}

if (import.meta.main) await labCommand(printStatus);
