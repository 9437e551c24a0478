import t from 'tap'
import { createCommandReader } from '../../src/warm-up/read-commands.js'

const TWO = '*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n'

t.test('commands are read wherever the bytes are cut', async (t) => {
  const wanted = [['PING'], ['SET', 'k', 'a\r\nb']]
  const cuts = Array.from({ length: TWO.length + 1 }, (_, at) => at).filter((at) => {
    const read = createCommandReader()
    return JSON.stringify([...read(TWO.slice(0, at)), ...read(TWO.slice(at))]) !== JSON.stringify(wanted)
  })
  t.same(cuts, [])
})

t.test('what is no command is a fault', async (t) => {
  t.throws(() => createCommandReader()('GET / HTTP/1.1\r\n'), /no command/)
})
