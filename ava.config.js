export default {
  files: ['test/**/*.test.ts', '!test/e2e/**'],
  extensions: ['ts'],
  timeout: '60s',
  environmentVariables: { TZ: 'UTC', FORCE_COLOR: '0' },
};
