const base = require('@jupyterlab/testutils/lib/jest-config');

// Packages that are published as ES modules only, which Jest does not read as they are.
const modern = [
  '@codemirror',
  '@jupyter',
  '@jupyterlab/',
  '@lezer',
  '@marijn',
  '@microsoft',
  '@rjsf',
  'exenv-es6',
  'lib0',
  'nanoid',
  'style-mod',
  'vscode-ws-jsonrpc',
  'w3c-keyname',
  'y-protocols',
  'y-websocket',
  'yjs'
].join('|');

module.exports = {
  ...base(__dirname),
  automock: false,
  coverageDirectory: 'coverage',
  modulePathIgnorePatterns: [
    '<rootDir>/strata_labextension',
    '<rootDir>/.venv',
    '<rootDir>/ui-tests'
  ],
  setupFiles: [...(base(__dirname).setupFiles ?? []), '<rootDir>/src/__tests__/setup.js'],
  testRegex: 'src/.*/.*.spec.ts[x]?$',
  transform: {
    '\\.(ts|tsx)$': ['ts-jest', { tsconfig: 'tsconfig.test.json' }],
    '\\.(js|mjs|cjs)$': 'babel-jest',
    '\\.svg$': '@jupyterlab/testing/lib/jest-raw-loader.js'
  },
  transformIgnorePatterns: [`/node_modules/(?!${modern}).+`]
};
