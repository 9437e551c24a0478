import { describeFailure } from './describe-failure.js'
import { askSentinels } from '../../redis/ask-sentinels.js'
import type { SentinelTarget } from '../../redis/open-client.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'redis'

/** Asks all Sentinels which master they name. One that fails is to be looked at; without any, or where they disagree, nothing works. */
export async function checkSentinels (target: SentinelTarget, tls: boolean): Promise<Verdict[]> {
  const answers = await askSentinels(target, tls)
  const masters = new Set(answers.flatMap((answer) => 'master' in answer ? [answer.master] : []))
  const named = [...masters].filter((master) => master !== null)
  const of = `${answers.filter((answer) => 'master' in answer && answer.master !== null).length} of ${answers.length}`
  const failed = answers.flatMap((answer) => 'error' in answer ? [{ ...answer, why: describeFailure(answer.error) }] : [])
  const judge = named.length === 0 ? fail : warn
  const verdicts = failed.map(({ sentinel, why }) => judge(PART, `sentinel ${sentinel}: ${why}`))
  if (named.length > 1) return [...verdicts, fail(PART, `sentinels: they disagree about the master ${target.master}: ${named.join(', ')}`)]
  if (named.length === 1) {
    const master = `sentinels: ${of} name ${named.join()} as the master ${target.master}`
    return [...verdicts, masters.has(null) ? warn(PART, `${master}; the others watch none of that name`) : ok(PART, master)]
  }
  return masters.has(null) ? [...verdicts, fail(PART, `sentinels: they watch no master ${target.master}: REDIS_SENTINEL_MASTER`)] : verdicts
}
