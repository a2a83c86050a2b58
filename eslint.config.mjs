/** Lint rules: the layers of `src` and the sizes that files, functions and classes may have. */
import plugin from '@typescript-eslint/eslint-plugin';
import parser from '@typescript-eslint/parser';

/** What a file may not import, by where it stands: lower layers know nothing of higher ones. */
const not = (...groups) => ({
  'no-restricted-imports': [
    'error',
    {
      patterns: groups.map(group => (group.startsWith('^') ? { regex: group } : { group: [group] }))
    }
  ]
});
/** Of the files beside it, a file may import these only. */
const only = (...names) => `^\\./(?!(${names.join('|')})$)`;
const UI = ['@jupyterlab/ui-components', '@lumino/widgets', 'react'];
const layer = (files, ...groups) => ({
  files,
  ignores: ['src/__tests__/**'],
  rules: not(...groups)
});

/** Classes have at most so many methods; accessors are not counted. */
const house = {
  rules: {
    'max-methods': {
      create: context => ({
        ClassBody(node) {
          const methods = node.body.filter(
            item => item.type === 'MethodDefinition' && item.kind === 'method'
          );
          if (methods.length > 20) {
            context.report({ node, message: `A class of ${methods.length} methods: at most 20.` });
          }
        }
      })
    }
  }
};

export default [
  {
    ignores: [
      '**/lib',
      '**/node_modules',
      'strata_labextension',
      'src/protocol.ts',
      '.venv',
      '**/*.js'
    ]
  },
  {
    files: ['src/**/*.{ts,tsx}', 'ui-tests/**/*.ts'],
    languageOptions: { parser, parserOptions: { project: false } },
    plugins: { '@typescript-eslint': plugin, house },
    rules: {
      ...plugin.configs['eslint-recommended'].overrides?.[0]?.rules,
      ...plugin.configs.recommended.rules,
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-namespace': 'off',
      '@typescript-eslint/no-require-imports': 'off',
      curly: 'error',
      eqeqeq: 'error',
      'house/max-methods': 'error',
      'max-lines': ['error', 350],
      'max-lines-per-function': ['error', 80],
      'max-params': ['error', 7],
      'prefer-const': 'error'
    }
  },
  {
    files: ['**/*.spec.ts*', 'src/__tests__/**'],
    rules: { 'max-lines-per-function': 'off' }
  },
  layer(['src/tokens.ts', 'src/graph.ts'], only('protocol'), ...UI),
  layer(['src/rest.ts'], './*', ...UI),
  layer(['src/variants.ts', 'src/directives.ts', 'src/usage.ts'], only('protocol'), ...UI),
  layer(['src/connection.ts', 'src/document.ts'], only('protocol', 'tokens', 'variants'), ...UI),
  layer(['src/model.ts'], only('protocol', 'tokens', 'graph'), '@jupyterlab/*', ...UI),
  layer(['src/catalogue.ts', 'src/film.ts'], only('protocol', 'model'), '@jupyterlab/*', ...UI),
  layer(
    ['src/registry.ts', 'src/runner.ts', 'src/commands.ts'],
    './plugins/*',
    './views/*',
    './editor/*',
    ...UI
  ),
  layer(['src/views/**', 'src/editor/**'], '../plugins/*', '../connection', '../registry'),
  layer(['src/plugins/**'], './*', '../connection')
];
