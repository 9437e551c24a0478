import { readPublishScript } from '../../dist/cli/publish-script.js'

export const EVENT = 'message'
/** 218 bytes as they are published. */
export const DATA = JSON.stringify({ text: 'x'.repeat(100) })

/** The text of the script by which back ends publish. */
export function loadScript () {
  const answer = readPublishScript({})
  if (!answer.ok) throw new Error(answer.reason)
  return answer.text
}

/**
 * What publishes to a topic in a pipeline of `count`: by PUBLISH, or by the script, loaded once.
 * @param {{ client: import('ioredis').Redis }} redis @param {string} script
 */
export async function createPublishing (redis, script) {
  const sha = await redis.client.script('LOAD', script)
  let ids = 0
  return {
    byPublish: async (topic, count) => {
      const pipeline = redis.client.pipeline()
      const message = JSON.stringify({ event: EVENT, data: JSON.parse(DATA), pad: 'x'.repeat(90) })
      for (let n = 0; n < count; n++) pipeline.publish(`ws:topic:${topic}`, message)
      await execute(pipeline)
    },
    byScript: async (topic, count, { hasId = false, data = DATA } = {}) => {
      const pipeline = redis.client.pipeline()
      for (let n = 0; n < count; n++) pipeline.evalsha(sha, 1, `ws:history:{ws:topic:${topic}}`, EVENT, data, hasId ? `bench-${ids++}` : '')
      await execute(pipeline)
    }
  }
}

async function execute (pipeline) {
  for (const [error] of await pipeline.exec()) if (error !== null) throw error
}
