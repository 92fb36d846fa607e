import { spawn } from 'node:child_process';

/** Runs openssl over `input` and gives what it writes. Rejects with its messages when it fails. */
export function openssl(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('openssl', args, { env: { PATH: process.env['PATH'] ?? '', ...env } });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`openssl ${args.join(' ')}: ${errors || out}`));
    });
    child.stdin.end(input);
  });
}
