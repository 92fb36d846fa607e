import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Totals of one test run in the Test Anything Protocol. */
interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** A stage of the run: npm arguments; `counted` stages print TAP, and their tests are added up. */
interface Stage {
  readonly name: string;
  readonly args: readonly string[];
  readonly counted: boolean;
}

const STAGES: readonly Stage[] = [
  { name: 'check', args: ['check'], counted: false },
  { name: 'the programs and images that the tests compare with', args: ['lab:build'], counted: false },
  { name: 'test', args: ['test', '--tap'], counted: true },
  { name: 'e2e:core', args: ['e2e:core', '--name', 'ci', '--tap'], counted: true },
];

function addLine(totals: Totals, line: string): void {
  if (/^ok .*# (?:SKIP|TODO)/i.test(line)) totals.skipped += 1;
  else if (line.startsWith('ok ')) totals.passed += 1;
  else if (line.startsWith('not ok ')) totals.failed += 1;
}

async function runStage(stage: Stage, totals: Totals): Promise<boolean> {
  const started = Date.now();
  console.log(`== ${stage.name}`);
  const child = spawn(process.execPath, ['scripts/run.mjs', ...stage.args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (stage.counted) addLine(totals, line);
    // A line per passed test would bury what matters.
    if (!stage.counted || !/^(?:ok |# (?!SKIP)|\s*$)/.test(line)) console.log(line);
  }
  const code = await ended;
  console.log(
    `== ${stage.name}: ${code === 0 ? 'passed' : `failed (${code})`} in ${Math.round((Date.now() - started) / 1000)} s`,
  );
  return code === 0;
}

async function main(): Promise<number> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  let brokenStages = 0;
  for (const stage of STAGES) {
    const failedBefore = totals.failed;
    const passed = await runStage(stage, totals);
    // A stage that fails without a failed test of its own (a crash, a lint error) still counts as one failure.
    if (!passed && totals.failed === failedBefore) totals.failed += 1;
    if (!passed) brokenStages += 1;
  }
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
  return brokenStages === 0 ? 0 : 1;
}

process.exitCode = await main();
