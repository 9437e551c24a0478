import t from 'tap'
import { boundText, encodeLines, escapeControls, redactPath } from '../../../src/observe/log/log-text.js'

const JWT = 'eyJhbGciOiJSUzI1NiIsImtpZCI6ImExIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU'

t.test('every character that JSON leaves raw and a terminal or viewer obeys is escaped, and the value survives', async (t) => {
  const ranges = [[0x7f, 0x9f], [0x61c, 0x61c], [0x200e, 0x200f], [0x2028, 0x202e], [0x2066, 0x2069], [0xfeff, 0xfeff]] as const
  for (const [from, to] of ranges) {
    for (let code = from; code <= to; code++) {
      const value = `a${String.fromCharCode(code)}b`
      const line = escapeControls(JSON.stringify({ value }))
      t.match(line, /^[\x20-\x7e]+$/, `U+${code.toString(16)} is not written raw`)
      t.equal((JSON.parse(line) as { value: string }).value, value)
      t.equal(String(encodeLines(JSON.stringify({ value }))), line, 'nor in what is handed to the system')
    }
  }
})

t.test('ordinary text in any script is left as it is', async (t) => {
  const line = JSON.stringify({ value: 'Zoë Жанна 李 🙂 "quoted" \\' })
  t.equal(escapeControls(line), line)
  t.equal(String(encodeLines(line)), line)
})

t.test('text is cut at its bound', async (t) => {
  t.equal(boundText('a'.repeat(256)), 'a'.repeat(256))
  t.equal(boundText('a'.repeat(10_000)), `${'a'.repeat(256)}…`)
  t.equal(boundText('abcdef', 3), 'abc…')
})

t.test('a path loses query and fragment and keeps what is plain', async (t) => {
  t.equal(redactPath('/ws'), '/ws')
  t.equal(redactPath('/ws/agents?token=secret&agent_ids=a1'), '/ws/agents')
  t.equal(redactPath('/ws#token=secret'), '/ws')
  t.equal(redactPath('/v1/some-other_path.json~'), '/v1/some-other_path.json~')
  t.equal(redactPath(''), '')
})

t.test('a token is not written wherever in the path it stands, nor a part of it', async (t) => {
  const targets = [
    `/ws/${JWT}`, `/${JWT}`, `/ws%3Ftoken=${JWT}`, `/ws;token=${JWT}`, `/ws.${JWT.slice(0, 18)}`, `/ws/${JWT}/more?x=1`,
    `/${'x'.repeat(250)}${JWT}`, `//${JWT}`, `${JWT}`, `/ws/${JWT.split('.')[2] ?? ''}`
  ]
  for (const target of targets) {
    const path = redactPath(target)
    t.notMatch(path, /eyJ|c2lnb/, path)
    t.ok(path.length <= 256)
  }
})

t.test('a hostile path is bounded and holds no raw control characters', async (t) => {
  t.ok(redactPath('/a'.repeat(10_000)).length <= 256)
  t.equal(redactPath('/ws/\u001b[31m\r\nx'), '/ws/…')
})
