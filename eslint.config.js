import neostandard, { plugins } from 'neostandard'

const { parser, plugin: typescript } = plugins['typescript-eslint']

/** Both names under which the native layer can be installed. */
const nativePackages = ['uWebSockets.js', '@trufflesuite/uws-js-unofficial']

const bannedEverywhere = [
  { selector: 'ExportDefaultDeclaration', message: 'Export by name: a default export has a new name at every import.' },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines the name.' },
  { selector: 'ExportNamedDeclaration[source]', message: 'No barrels: import from the file that defines the name.' }
]

const asyncHandler = 'An async uWebSockets.js handler that throws, or answers after an await, ends the process. ' +
  'Take what you need from the request, attach onAborted, and start the asynchronous work without returning it.'
const bannedInNativeHandlers = [
  {
    selector: 'Property[key.name=/^(upgrade|open|message|drain|close|ping|pong|dropped|subscription)$/]' +
      ' > :matches(ArrowFunctionExpression, FunctionExpression)[async=true]',
    message: asyncHandler
  },
  {
    selector: 'CallExpression[callee.property.name=/^(get|post|put|patch|del|head|options|any|ws|onAborted|onData|onWritable|cork)$/]' +
      ' > :matches(ArrowFunctionExpression, FunctionExpression)[async=true]',
    message: asyncHandler
  }
]

const bannedNativeLoads = [{
  selector: 'ImportExpression > Literal[value=/^(uWebSockets\\.js|@trufflesuite.uws-js-unofficial)$/]',
  message: 'Only src/transport/uws/binding.ts loads the native layer.'
}]

const filledLater = 'Built in one direction: a part takes what stands above it, and its handlers at start().'
const bannedInTheGateway = [{
  selector: 'VariableDeclaration[kind="let"] > VariableDeclarator[init=null]:not(:has(TSUndefinedKeyword))',
  message: filledLater
}]

const sleeping = 'A test does not sleep: poll for a condition or inject a clock.'
/** Compiled tests stand in another folder than their sources: a path upwards leads them elsewhere. */
const bannedPathsUpwards = {
  selector: 'NewExpression[callee.name="URL"][arguments.0.value=/^[.][.]/][arguments.1.type="MemberExpression"]',
  message: 'Files of the project are found from PROJECT (test/support/root.ts).'
}
const bannedInTests = [
  bannedPathsUpwards,
  { selector: 'CallExpression[callee.property.name="only"]', message: 'One test alone would pass for the whole suite.' },
  { selector: 'Property[key.name="only"][value.value=true]', message: 'One test alone would pass for the whole suite.' },
  { selector: 'NewExpression[callee.name="Promise"] CallExpression[callee.name="setTimeout"][arguments.0.type="Identifier"]', message: sleeping }
]

/** The message for a module of the project or a package that a folder may not import. */
const closedTo = (names, message) => names.map((name) => ({ name, message }))

export default [
  { ignores: ['**/dist/', '.test-build/', 'node_modules/', '.tap/', 'logs/', 'coverage/'] },
  // Every exception to a rule stands in this file, where it is seen.
  { linterOptions: { noInlineConfig: true } },
  ...neostandard({ ts: true, noJsx: true, env: ['node'] }),
  {
    name: 'portcullis/all',
    rules: {
      // `void promise` as a statement says that nobody waits for it, which no-floating-promises asks to be said.
      'no-void': ['error', { allowAsStatement: true }],
      '@stylistic/max-len': ['error', {
        code: 140, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true
      }]
    }
  },
  {
    name: 'portcullis/no-default-exports-or-barrels',
    files: ['**/*.ts', '**/*.js'],
    ignores: ['*.config.js'],
    rules: { 'no-restricted-syntax': ['error', ...bannedEverywhere] }
  },
  {
    name: 'portcullis/typed',
    files: ['src/**/*.ts', 'packages/**/*.ts', 'test/**/*.ts'],
    languageOptions: { parser, parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@typescript-eslint': typescript },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': ['error', {
        // A subtest is waited for by its parent, whether or not anybody awaits it.
        allowForKnownSafePromises: [{ from: 'package', package: '@tapjs/core', name: 'PromiseWithSubtest' }]
      }],
      '@typescript-eslint/no-misused-promises': 'error',
      'no-throw-literal': 'off',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }]
    }
  },
  {
    name: 'portcullis/source',
    files: ['src/**/*.ts', 'packages/**/*.ts'],
    rules: {
      'max-lines': ['error', 250],
      'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedNativeLoads],
      '@typescript-eslint/no-restricted-imports': ['error', {
        paths: nativePackages.map((name) => ({
          name, allowTypeImports: true, message: 'Only src/transport/uws/binding.ts loads the native layer; elsewhere import types.'
        })),
        patterns: [{ group: ['**/dev/*'], message: 'The gateway does not know its development server.' }]
      }]
    }
  },
  {
    // What a package offers is named in one place.
    name: 'portcullis/client-exports',
    files: ['packages/client/src/exports.ts'],
    rules: { 'no-restricted-syntax': 'off' }
  },
  {
    name: 'portcullis/gateway',
    files: ['src/gateway/**/*.ts', 'src/supervisor/**/*.ts', 'src/run-process.ts'],
    rules: {
      '@typescript-eslint/no-use-before-define': ['error', { functions: false, classes: true, variables: true, ignoreTypeReferences: true }],
      'max-lines-per-function': ['error', { max: 70, IIFEs: true }],
      'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedNativeLoads, ...bannedInTheGateway]
    }
  },
  {
    name: 'portcullis/native-handlers',
    files: ['src/transport/uws/**/*.ts'],
    rules: {
      // uWebSockets.js names its C functions and types us_listen_socket and the like.
      camelcase: ['error', { properties: 'never', ignoreGlobals: true, allow: ['^us_'] }],
      'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedNativeLoads, ...bannedInNativeHandlers]
    }
  },
  {
    name: 'portcullis/binding',
    files: ['src/transport/uws/binding.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedInNativeHandlers],
      '@typescript-eslint/no-restricted-imports': 'off'
    }
  },
  {
    name: 'portcullis/development-server',
    files: ['src/dev/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedNativeLoads, ...bannedInNativeHandlers],
      '@typescript-eslint/no-restricted-imports': ['error', {
        paths: closedTo(nativePackages, 'Only src/transport/uws/binding.ts loads the native layer.')
      }]
    }
  },
  {
    // One page of a browser, of which the build makes one file.
    name: 'portcullis/console',
    files: ['src/dev/console/*.js'],
    languageOptions: {
      globals: Object.fromEntries(['document', 'location', 'navigator', 'requestAnimationFrame', 'Option', 'WebSocket'].map((name) => [name, 'readonly']))
    },
    rules: { 'max-lines': ['error', 250] }
  },
  {
    name: 'portcullis/connection',
    files: ['src/connection/**/*.ts'],
    rules: {
      '@typescript-eslint/no-restricted-imports': ['error', {
        paths: closedTo([...nativePackages, 'ioredis', '#ioredis', 'postgres'], 'A step of a connection knows ports, not what is behind them.'),
        patterns: [{ group: ['**/dev/*'], message: 'The gateway does not know its development server.' }]
      }]
    }
  },
  {
    name: 'portcullis/test-support',
    files: ['test/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...bannedEverywhere, bannedPathsUpwards] }
  },
  {
    name: 'portcullis/tests',
    files: ['test/**/*.test.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedInTests],
      '@typescript-eslint/no-restricted-imports': ['error', {
        paths: [{ name: 'node:timers/promises', importNames: ['setTimeout'], message: sleeping }]
      }]
    }
  },
  {
    name: 'portcullis/benchmark-servers',
    files: ['bench/**/*.{js,ts}'],
    rules: { 'no-restricted-syntax': ['error', ...bannedEverywhere, ...bannedInNativeHandlers] }
  }
]
