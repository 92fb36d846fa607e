import test from 'ava';

import { registryConfig } from '../../../appliance/installer/containerd-config.ts';
import { InstallerError } from '../../../appliance/installer/installer-error.ts';

const PATH = '/etc/containerd/certs.d';
const corrected = (text: string): string => {
  const found = registryConfig(text, PATH);
  return found.kind === 'missing' ? found.corrected : 'configured';
};

test('a file that names the folder is left alone', (t) => {
  const text = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n';
  t.deepEqual(registryConfig(text, PATH), { kind: 'configured', configPath: PATH });
});

test('no file becomes one that names it', (t) => {
  t.is(
    corrected(''),
    'version = 2\n\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n',
  );
});

test('a file without the section gets it, and keeps its comments', (t) => {
  const text = 'version = 2\n# mine\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "x"\n';
  t.true(corrected(text).startsWith(text));
  t.is(registryConfig(corrected(text), PATH).kind, 'configured');
});

test('an empty setting, as containerd config default writes it, is filled', (t) => {
  const text = 'version = 2\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = ""\n';
  t.is(corrected(text), text.replace('""', '"/etc/containerd/certs.d"'));
});

test('version 3 has the section elsewhere', (t) => {
  const text = "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = ''\n";
  t.is(registryConfig(corrected(text), PATH).kind, 'configured');
});

test('mirrors configured in the old way are not overruled', (t) => {
  const text =
    'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n  endpoint = ["https://m.example"]\n';
  t.throws(() => registryConfig(text, PATH), {
    instanceOf: InstallerError,
    code: 'NODE_FAILED',
    message: /registry\.mirrors/,
  });
});

test('what is no TOML is refused', (t) => {
  t.throws(() => registryConfig('version = = 2', PATH), { instanceOf: InstallerError, code: 'NODE_FAILED' });
});
