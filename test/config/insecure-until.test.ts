import t from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

const until = (text: string): NodeJS.ProcessEnv => ({ ...LEAST, ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: text })

t.test('break-glass runs until its end, in any zone', async (t) => {
  t.equal(loadConfig(until('2030-01-31T13:30:00Z'), NOW_MS).insecureUntilMs, NOW_MS + 5_400_000)
  t.equal(loadConfig(until('2030-01-31T15:30+02:00'), NOW_MS).insecureUntilMs, NOW_MS + 5_400_000)
  t.equal(loadConfig(until('2030-02-01T12:00:00.000Z'), NOW_MS).insecureUntilMs, NOW_MS + 86_400_000, 'at most 24 h')
  t.equal(loadConfig(until('2029-01-31T12:00:00Z'), NOW_MS).insecureUntilMs, NOW_MS - 31_536_000_000, 'one that has passed lets the process start, closed')
})

t.test('it needs an end, ahead of now, within a day, in a time that says its zone', async (t) => {
  for (const [text, reason] of [
    ['', /must end by itself/],
    ['2030-02-01T12:00:01Z', /at most 24 h ahead/],
    ['2030-01-31T13:00:00', /ISO time with its zone/],
    ['2030-01-31', /ISO time with its zone/],
    ['tomorrow', /ISO time with its zone/],
    ['1896181200000', /ISO time with its zone/],
    ['2030-13-31T13:00:00Z', /ISO time with its zone/]
  ] as const) t.match(expectMistakes(t, until(text)), [{ setting: 'ALLOW_INSECURE_WS_UNTIL', reason }], text)
})

t.test('an end alone opens nothing and is a mistake', async (t) => {
  t.match(expectMistakes(t, { ...LEAST, ALLOW_INSECURE_WS_UNTIL: '2030-01-31T13:00:00Z' }), [{ setting: 'ALLOW_INSECURE_WS' }])
  t.equal(loadConfig({ ...LEAST, ALLOW_INSECURE_WS: 'false' }, NOW_MS).insecureUntilMs, null)
})
