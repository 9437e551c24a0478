// Copies what the compiler leaves behind (Lua scripts, SQL, pages) beside the compiled files that read them.
import { cpSync } from 'node:fs'

const isAsset = /\.(lua|html|sql|css)$/
cpSync('src', 'dist', {
  recursive: true,
  filter: (source) => !/\.[a-z]+$/.test(source) || isAsset.test(source)
})
