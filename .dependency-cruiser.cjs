/** The layers of docs/ARCHITECTURE.md, held by dependency-cruiser. @type {import('dependency-cruiser').IConfiguration} */
const folders = '^(appliance|mirror|trust-root|daemonset)/';

/** A third-party package that only the named files may import. */
const fence = (name, pattern, allowed) => ({
  name: `only-here-${name}`,
  severity: 'error',
  from: { path: folders, pathNot: allowed },
  to: { path: `^node_modules/${pattern}` },
});

/** `folder` may import only what `allowed` matches. */
const layer = (folder, allowed) => ({
  name: `layer-${folder.replaceAll('/', '-')}`,
  severity: 'error',
  from: { path: `^${folder}/` },
  to: { path: folders, pathNot: [`^${folder}/`, '^appliance/kernel/', '^appliance/version\\.ts$', ...allowed] },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'kernel-stands-alone',
      severity: 'error',
      from: { path: '^appliance/kernel/' },
      to: { pathNot: ['^appliance/kernel/', '^node_modules/zod/'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'nothing-imports-scripts-or-test',
      severity: 'error',
      from: { path: folders },
      to: { path: '^(scripts|test)/' },
    },
    { name: 'no-dev-dependencies', severity: 'error', from: { path: folders }, to: { dependencyTypes: ['npm-dev'] } },
    layer('mirror', []),
    layer('trust-root', []),
    layer('daemonset', ['^mirror/', '^trust-root/', '^appliance/kube/']),
    layer('appliance/verification', ['^mirror/', '^trust-root/']),
    layer('appliance/helm', []),
    layer('appliance/kube', ['^trust-root/']),
    layer('appliance/config', []),
    layer('appliance/webhook', ['^appliance/(verification|kube)/', '^mirror/', '^trust-root/']),
    fence('kubernetes', '@kubernetes/', '^appliance/kube/'),
    fence('listr2', '(listr2|@listr2)/', '^appliance/installer/progress\\.ts$'),
    fence('inquirer', '@inquirer/', '^appliance/installer/ask\\.ts$'),
    fence('x509', '@peculiar/', '^trust-root/x509'),
    fence('forge', 'node-forge/', '^trust-root/'),
    fence('tuf', '(tuf-js|@tufjs)/', '^trust-root/'),
    fence('sigstore-verify', '@sigstore/(verify|bundle|core)/', '^appliance/verification/'),
    fence('commander', '(commander|@commander-js)/', '^appliance/(cli|program)\\.ts$|^appliance/commands/'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
