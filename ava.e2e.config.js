export default {
  files: ['test/e2e/**/*.test.ts'],
  extensions: ['ts'],
  // One lab, one test at a time; each waits on conditions with deadlines of its own.
  concurrency: 1,
  serial: true,
  timeout: '20m',
  environmentVariables: { TZ: 'UTC', FORCE_COLOR: '0' },
};
