// Copies what the compiler leaves behind (Lua scripts, SQL) beside the compiled files that read them. The console's parts become one page:
// bundle-console.js.
import { cpSync } from 'node:fs'

const isAsset = /\.(lua|html|sql|css)$/
cpSync('src', 'dist', {
  recursive: true,
  filter: (source) => source !== 'src/dev/console' && (!/\.[a-z]+$/.test(source) || isAsset.test(source))
})
