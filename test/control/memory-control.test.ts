import t from 'tap'
import { MAX_REVOCATIONS } from '../../src/control/control.js'
import { createMemoryControl } from '../../src/control/memory-control.js'
import { createRecorder, testControl } from './control-conformance.js'
import { identity } from './identities.js'

testControl(t, async () => async (settings) => createMemoryControl(settings), 1)

t.test('a revocation is kept until the last token that it means has expired', async (t) => {
  let nowMs = 10_000_000
  const { handlers } = createRecorder()
  const control = createMemoryControl({ maxTokenLifetimeMs: 1_000_000, issuers: ['main'], now: () => nowMs })
  control.start(handlers)
  t.teardown(async () => { await control.close() })
  await control.revoke({ kind: 'jti', id: 'token-1', issuer: null, issuedBeforeMs: null })
  await control.revoke({ kind: 'sub', id: 'bob', issuer: null, issuedBeforeMs: nowMs + 500_000 })
  nowMs += 1_000_000
  t.equal(control.isRevoked(identity()), true)
  nowMs += 600_000
  t.equal(control.isRevoked(identity()), false)
  t.equal(control.isRevoked(identity({ subject: 'bob', tokenId: null, issuedAtMs: 10_400_000 })), true)
})

t.test('no revocation is forgotten to make room: at the bound a further one is rejected', async (t) => {
  let nowMs = 0
  const { handlers } = createRecorder()
  const control = createMemoryControl({ maxTokenLifetimeMs: 1000, issuers: ['main'], now: () => nowMs })
  control.start({ ...handlers, onRevoked: () => {} })
  t.teardown(async () => { await control.close() })
  const revoke = async (id: string): Promise<void> => { await control.revoke({ kind: 'jti', id, issuer: null, issuedBeforeMs: null }) }
  for (let n = 0; n < MAX_REVOCATIONS; n++) await revoke(`j${n}`)
  await t.rejects(revoke('one more'), /too many/)
  t.equal(control.isRevoked(identity({ tokenId: 'j0' })), true)
  nowMs += 10_000_000
  await t.resolves(revoke('one more'))
})
