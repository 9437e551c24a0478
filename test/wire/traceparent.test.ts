import t from 'tap'
import { readTraceparent } from '../../src/wire/traceparent.js'
import { offenders } from '../support/offenders.js'

const GOOD = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

t.test('a traceparent is read as it stands, of this version and later ones', async (t) => {
  t.same(await offenders([GOOD, GOOD.replace(/01$/, '00'), GOOD.replace(/^00/, '01')], text => readTraceparent(text) === text), [])
})

t.test('what is none counts as absent', async (t) => {
  const wrong = ['', 'x', ` ${GOOD}`, `${GOOD}\n`, `${GOOD}-`, `${GOOD}, ${GOOD}`, GOOD.toUpperCase(), GOOD.replace(/^00/, 'ff'), GOOD.slice(0, -1),
    GOOD.replaceAll('-', ''), `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`, GOOD.replace('4', '"')]
  t.same(await offenders(wrong, text => readTraceparent(text) === null), [])
  t.equal(readTraceparent(undefined), null)
})
