import { nameFailure, type OutageReason } from '../../limits/outage/outage.js'
import { nameMisuse, WrongRedis } from '../../redis/find-misuse.js'

const FAILURES: Readonly<Record<OutageReason, string>> = {
  timeout: 'it does not answer in time',
  unreachable: 'it cannot be reached: host, port, TLS or firewall',
  read_only: 'it is a replica, or takes no writes now',
  loading: 'it is busy: loading its data, or running a script',
  out_of_memory: 'it takes no writes: memory, disk or replicas',
  cluster_down: 'its cluster does not serve all slots',
  denied: 'it denies access: user, password or ACL',
  error: 'it answered with an error'
}

/** Says for an operator why Redis, or a Sentinel, could not be used. */
export function describeFailure (error: unknown): string {
  const named = error instanceof Error ? nameMisuse(error) : error
  return named instanceof WrongRedis ? named.message : FAILURES[nameFailure(named)]
}
