import type { IncomingMessage } from 'node:http'
import { tooLargeAnswer } from './answers.js'
import { BodyCollector, expectedBytes, type BodyBounds, type BodyReading } from './collect-body.js'

/** Reads the body of a request to a Node server. Never rejects. */
export async function readNodeBody (request: IncomingMessage, { maxBytes, timeoutMs }: BodyBounds): Promise<BodyReading> {
  const bytes = expectedBytes(request.headers['content-length'], maxBytes)
  if (bytes === null) return { ok: false, answer: tooLargeAnswer() }
  const collector = new BodyCollector({ maxBytes: bytes, timeoutMs })
  const take = (chunk: Buffer): void => { collector.push(chunk, false) }
  const finish = (): void => { collector.push(NOTHING_MORE, true) }
  const leave = (): void => { collector.abort() }
  request.on('data', take).once('end', finish).once('close', leave).once('error', leave)
  const reading = await collector.reading
  // What still comes of a body that is refused stays in the socket, which the answer closes.
  request.off('data', take).off('end', finish).off('close', leave).pause()
  return reading
}

const NOTHING_MORE = Buffer.alloc(0)
