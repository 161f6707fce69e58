import js from '@eslint/js';
import globals from 'globals';

export default [
  { ignores: ['dist/', '**/__generated__/', '**/__persisted__/'] },
  js.configs.recommended,
  {
    languageOptions: { parserOptions: { ecmaFeatures: { jsx: true } } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { curly: 'error', eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' },
  },
  {
    files: ['src/**'],
    languageOptions: { globals: globals.browser },
  },
  {
    // ESLint knows a name in JSX for used only by a plugin for React; there is one such file.
    files: ['**/*.jsx'],
    rules: { 'no-unused-vars': 'off' },
  },
  {
    files: ['*.js', 'scripts/**', 'test/**'],
    languageOptions: { globals: globals.node },
  },
];
