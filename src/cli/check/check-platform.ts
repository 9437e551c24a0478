import { BindingError, loadBinding, type Binding } from '../../transport/uws/binding.js'
import { describePlatform, isTested, OLDER_LACKS, TESTED_NODES } from '../../transport/uws/platform.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'platform'

/** Says which Node, C library and binding run here, and whether this is what production is tested on. */
export function checkPlatform (): Verdict {
  let binding: Binding
  try {
    binding = loadBinding()
  } catch (error) {
    if (!(error instanceof BindingError)) throw error
    return fail(PART, error.message)
  }
  const shown = describePlatform(binding)
  if (binding.name === 'older') return warn(PART, `${shown}: ${OLDER_LACKS}`)
  return isTested(binding)
    ? ok(PART, shown)
    : warn(PART, `${shown}: tests run on Node ${TESTED_NODES.current.join(' and ')}`)
}
