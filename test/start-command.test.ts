import { readFileSync } from 'node:fs'
import t from 'tap'
import { PROJECT } from './support/root.js'

const read = (name: string): string => readFileSync(new URL(name, PROJECT), 'utf8')

t.test('the image starts the gateway with the same command as npm start', async (t) => {
  const { scripts: { start } } = JSON.parse(read('package.json')) as { scripts: { start: string } }
  const command = JSON.parse(/^CMD (.*)$/m.exec(read('Dockerfile'))?.[1] ?? '[]') as string[]
  t.equal(`exec ${command.join(' ')}`, start)
  t.ok(command.includes('--max-semi-space-size=16'))
})
