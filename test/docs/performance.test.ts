import { spawnSync } from 'node:child_process'
import t from 'tap'

t.test('the figures in the documents are those of the run that is kept beside them', async (t) => {
  const { status, stderr } = spawnSync(process.execPath, ['bench/report.js', '--check'], { encoding: 'utf8' })
  t.equal(status, 0, stderr)
})
