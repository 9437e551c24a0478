import t from 'tap'
import { ownEnding, readClose } from '../../packages/client/src/close-policy.js'
import { createKeptTicket } from '../../packages/client/src/kept-ticket.js'

const LOST = readClose(1006, '')
const RESTARTING = readClose(1012, '{"error":"restarting"}')
const OVERLOADED = readClose(1013, '{"error":"overloaded"}')

t.test('a ticket outlives the close that brought it and ends without a name, however many there are', async (t) => {
  const ticket = createKeptTicket(() => 0)
  t.equal(ticket.present(), null)
  ticket.keep('one')
  ticket.noteEnd(RESTARTING)
  for (const ending of [LOST, ownEnding('no_answer'), ownEnding('token_failed'), LOST, LOST, LOST, LOST]) {
    t.equal(ticket.present(), 'one')
    ticket.noteEnd(ending)
  }
})

t.test('a ticket that was presented ends with a refusal by name, and with a welcome', async (t) => {
  const ticket = createKeptTicket(() => 0)
  ticket.keep('one')
  t.equal(ticket.present(), 'one')
  ticket.noteEnd(OVERLOADED)
  t.equal(ticket.present(), null)
  ticket.keep('two')
  ticket.drop()
  t.equal(ticket.present(), null)
})

t.test('a ticket lives for 120 s, and only as long as no later frame takes its place', async (t) => {
  let nowMs = 1000
  const ticket = createKeptTicket(() => nowMs)
  ticket.keep('one')
  nowMs += 119_999
  t.equal(ticket.present(), 'one')
  nowMs += 1
  t.equal(ticket.present(), null)
  ticket.keep('two')
  ticket.keep('three')
  t.equal(ticket.present(), 'three')
  ticket.keep(undefined)
  t.equal(ticket.present(), null)
})
