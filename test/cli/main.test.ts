import t from 'tap'
import { VERSION } from '../../src/version.js'
import { runCli } from './run-cli.js'

t.test('an unknown command is named, with the commands there are', async (t) => {
  for (const args of [['bogus'], ['bogus', 'start'], ['--', 'bogus']]) {
    t.same(await runCli(args), { code: 1, stdout: '', stderr: "portcullis: unknown command 'bogus'; the commands are start, check, token, top, explain, rehearse, publish-script\n" }, args.join(' '))
  }
  t.match(await runCli(['--bogus']), { code: 1, stdout: '', stderr: "unknown option '--bogus'" })
  t.match(await runCli(['start', 'bogus']), { code: 1, stdout: '', stderr: "too many arguments for 'start'" })
  t.same(await runCli(['--version']), { code: 0, stdout: `${VERSION}\n`, stderr: '' })
  t.match(await runCli(['--help']), { code: 0, stdout: /^Usage: portcullis /, stderr: '' })
})
