import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { withFileLock } from '../../../scripts/lab/file-lock.ts';
import { run } from '../../../scripts/lab/program.ts';

async function temporaryFolder(t: { teardown: (work: () => Promise<void>) => void }): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-lab-test-'));
  t.teardown(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a program’s output and input are kept apart from its errors', async (t) => {
  const result = await run(['sh', '-c', 'cat; echo oops >&2'], { input: 'hello' });
  t.deepEqual(result, { code: 0, stdout: 'hello', stderr: 'oops\n' });
});

test('a program that fails says its words and its code', async (t) => {
  const error = await t.throwsAsync(run(['sh', '-c', 'echo no space left >&2; exit 7']), { code: 'PROGRAM_FAILED' });
  t.regex(error.message, /code 7: no space left/);
});

test('a code that is allowed is no error', async (t) => {
  t.is((await run(['sh', '-c', 'exit 7'], { allow: [7] })).code, 7);
  await t.throwsAsync(run(['sh', '-c', 'exit 8'], { allow: [7] }), { code: 'PROGRAM_FAILED' });
});

test('a program that isn’t there is an error, not a crash', async (t) => {
  await t.throwsAsync(run(['/nowhere/program'], { allow: 'any' }), { code: 'PROGRAM_FAILED' });
});

test('a program that takes too long is stopped', async (t) => {
  await t.throwsAsync(run(['sleep', '60'], { timeoutMs: 50 }), { message: /stopped after 50 ms/ });
});

test('nothing is expanded by a shell', async (t) => {
  t.is((await run(['echo', '$HOME;*'])).stdout, '$HOME;*\n');
});

test('output can go to a log, which the error then names', async (t) => {
  const logFile = path.join(await temporaryFolder(t), 'log');
  const error = await t.throwsAsync(run(['sh', '-c', 'echo deep; exit 1'], { logFile }));
  t.is((error as { fix?: string }).fix, `see ${logFile}`);
  t.is(await readFile(logFile, 'utf8'), 'deep\n');
});

test('two who want a lock get it one after the other', async (t) => {
  const file = path.join(await temporaryFolder(t), 'lock');
  const events: string[] = [];
  const work = (name: string) =>
    withFileLock(file, async () => {
      events.push(`${name} in`);
      await run(['true']);
      events.push(`${name} out`);
    });
  await Promise.all([work('a'), work('b')]);
  const [first, ...rest] = events;
  t.deepEqual(rest.slice(0, 1), [first?.replace('in', 'out') ?? '']);
});

test('work that fails gives its lock back', async (t) => {
  const file = path.join(await temporaryFolder(t), 'lock');
  await t.throwsAsync(
    withFileLock(file, () => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  );
  t.is(await withFileLock(file, async () => 'next'), 'next');
});
