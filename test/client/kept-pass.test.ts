import t from 'tap'
import { ownEnding, readClose } from '../../packages/client/src/close-policy.js'
import { createKeptPass } from '../../packages/client/src/kept-pass.js'

const LOST = readClose(1006, '')
const RESTARTING = readClose(1012, '{"error":"restarting"}')
const OVERLOADED = readClose(1013, '{"error":"overloaded"}')

t.test('a pass outlives the close that brought it and ends without a name, however many there are', async (t) => {
  const pass = createKeptPass(() => 0)
  t.equal(pass.present(), null)
  pass.keep('one')
  pass.noteEnd(RESTARTING)
  for (const ending of [LOST, ownEnding('no_answer'), ownEnding('token_failed'), LOST, LOST, LOST, LOST]) {
    t.equal(pass.present(), 'one')
    pass.noteEnd(ending)
  }
})

t.test('a pass that was presented ends with a refusal by name, and with a welcome', async (t) => {
  const pass = createKeptPass(() => 0)
  pass.keep('one')
  t.equal(pass.present(), 'one')
  pass.noteEnd(OVERLOADED)
  t.equal(pass.present(), null)
  pass.keep('two')
  pass.drop()
  t.equal(pass.present(), null)
})

t.test('a pass lives for 120 s, and only as long as no later frame takes its place', async (t) => {
  let nowMs = 1000
  const pass = createKeptPass(() => nowMs)
  pass.keep('one')
  nowMs += 119_999
  t.equal(pass.present(), 'one')
  nowMs += 1
  t.equal(pass.present(), null)
  pass.keep('two')
  pass.keep('three')
  t.equal(pass.present(), 'three')
  pass.keep(undefined)
  t.equal(pass.present(), null)
})
