import { classifyFailure, type AwayCause } from './failure.js'
import { findErrorCode } from '../error-code.js'
import { nameMisuse, WrongRedis } from './find-misuse.js'

/** Each cause in words for an operator; `it` is Redis, or a Sentinel. */
export const AWAY: Readonly<Record<AwayCause, string>> = {
  timeout: 'it does not answer in time',
  unreachable: 'it cannot be reached: host, port, TLS or firewall',
  too_many_clients: 'it takes no more clients (maxclients)',
  unauthenticated: 'it denies access: user or password',
  read_only: 'it is a replica, or takes no writes now',
  loading: 'it is loading its data',
  busy: 'it is running a script that does not end',
  master_down: 'it is a replica whose master is away',
  out_of_memory: 'it takes no writes: its memory is full',
  misconfigured: 'it takes no writes: it cannot save its data (MISCONF)',
  no_replicas: 'it takes no writes: too few replicas follow it',
  cluster_down: 'its cluster does not serve all slots'
}

/** Says for an operator why Redis, or a Sentinel, could not be used. */
export function describeFailure (error: unknown): string {
  const named = error instanceof Error ? nameMisuse(error) : error
  if (named instanceof WrongRedis) return named.message
  const failure = classifyFailure(named)
  if (failure.kind === 'away') {
    const code = failure.cause === 'unreachable' ? findErrorCode(named) : null
    return code === null ? AWAY[failure.cause] : `${AWAY[failure.cause]} (${code})`
  }
  return failure.kind === 'denied' ? 'it denies access: the rights of the user' : `it answered with an error (${failure.code})`
}
