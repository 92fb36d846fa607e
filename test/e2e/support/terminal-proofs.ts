import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { kubectl } from '../../../scripts/lab/lab.ts';
import { run } from '../../../scripts/lab/program.ts';
import { ensureNamespace, field } from './objects.ts';
import type { Proof } from './proofs.ts';
import { PROJECT, sealiftArgv } from './site.ts';
import { ENFORCED, releaseFingerprint } from './site-files.ts';

const ENTER = '\r';
const PASSPHRASE = 'correct horse battery staple';

/** An installation by a person. */
export const terminalProofs: readonly Proof[] = [
  {
    id: '2-install',
    title: 'on a real terminal the site is installed by answering questions',
    needs: ['2-prepare'],
    timeoutMs: 720_000,
    prove: async (t, { lab, files }) => {
      await ensureNamespace(lab, ENFORCED);
      const trust = ['--trust-key', await releaseFingerprint(files)];
      const words = ['install', '--bundle', files.bundle, '--kubeconfig', lab.kubeconfig, ...trust];
      const answers = [
        ['Name of this site', `e2e-terminal${ENTER}`],
        ['Registry', ENTER],
        ['Folder for the offline keys', `${path.join(files.folder, 'sealift-keys')}${ENTER}`],
        ['Prove signing and admission', ENTER],
        ['Go ahead?', ENTER],
        ['Passphrase of the offline keys', `${PASSPHRASE}${ENTER}`],
        ['Once more', `${PASSPHRASE}${ENTER}`],
      ];
      const spec = path.join(files.folder, 'terminal.json');
      const argv = await sealiftArgv(lab, words, { env: { TERM: 'xterm-256color' } });
      argv[0] = `/usr/bin/${argv[0] ?? ''}`;
      await writeFile(spec, JSON.stringify({ argv, answers, timeout: 600 }));
      const script = path.join(PROJECT, 'test/e2e/support/clients/terminal.py');
      const { code, stdout } = await run(['python3', script, spec], { timeoutMs: 660_000, allow: 'any' });
      await writeFile(path.join(files.folder, 'terminal.txt'), stdout);
      t.is(code, 0, stdout.slice(-2000));
      t.false(stdout.includes(PASSPHRASE), 'the passphrase was shown');
      const kept = await field(lab, ['-n', 'sealift-system', 'configmap', 'sealift-config'], '{.data}');
      t.true(kept.includes('e2e-terminal'));
      await kubectl(lab, [
        '-n',
        'sealift-system',
        'patch',
        'configmap',
        'sealift-modes',
        '--type=merge',
        '-p',
        `{"data":{"${ENFORCED}":"enforce"}}`,
      ]);
    },
  },
];
