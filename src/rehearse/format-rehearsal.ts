import type { RehearsalSettings } from '../config/read-rehearsal-settings.js'
import type { ReadCounts } from './read-log.js'
import type { Rehearsal } from './rehearse.js'
import type { Tally } from './tally.js'

const SHOWN_NAMES = 10

/** What a log cannot tell, whatever it says. */
export const UNKNOWN = [
  'processes whose logs were not given: their connections took places too',
  'clients that are refused come back, and those that are let in do not: the log has what they did under its own limits',
  'how long those stay who were refused then: as long as others on average',
  'attempts with a resume pass or a ticket are not counted by a gateway, and are here',
  'when messages were sent: connections that cannot have kept to WS_IP_MESSAGES are counted, and there may be more'
] as const

/** The result as data. */
export function toReport (rehearsal: Rehearsal, counts: ReadCounts, settings: RehearsalSettings, files: number) {
  const who = (tally: Tally) => ({ total: tally.total, most: Object.fromEntries(tally.top(SHOWN_NAMES)) })
  const { address, user, messages } = rehearsal
  const limit = ({ refused, wouldRefuse, letIn, keptOut }: Rehearsal['address']) =>
    ({ refused, would_refuse: wouldRefuse, let_in: who(letIn), kept_out: who(keptOut) })
  return {
    read: {
      files,
      ...counts,
      from: showTime(rehearsal.from),
      to: showTime(rehearsal.to),
      sampled: rehearsal.sampled,
      dry_run: rehearsal.dryRun
    },
    limits: {
      address: { setting: 'WS_IP_CONNECTIONS', value: settings.addressConnections, window_s: settings.addressWindowMs / 1000, ...limit(address) },
      user: { setting: 'WS_USER_CONNECTIONS', value: settings.userConnections, ...limit(user) },
      messages: {
        setting: 'WS_IP_MESSAGES',
        value: settings.messages,
        window_s: settings.messageWindowMs / 1000,
        refused: messages.refused,
        kept_out_at_least: who(messages.keptOut)
      }
    },
    unknown: UNKNOWN
  }
}

const showTime = (atMs: number | null): string | null => atMs === null ? null : new Date(atMs).toISOString()

type Report = ReturnType<typeof toReport>
type Who = Report['limits']['address']['let_in']

const showWho = (words: string, { total, most }: Who): string[] => {
  const names = Object.entries(most).map(([name, times]) => `${name} (${times})`)
  return [`  ${words}: ${total}`, ...(names.length === 0 ? [] : [`    ${names.join(', ')}${total > SHOWN_NAMES ? ', …' : ''}`])]
}

function showLimit (title: string, { refused, would_refuse: wouldRefuse, let_in: letIn, kept_out: keptOut }: Report['limits']['user']): string[] {
  return [title, `  refused in the log: ${refused}, with these limits: ${wouldRefuse}`, ...showWho('would be let in', letIn), ...showWho('would be refused', keptOut)]
}

/** The result in lines. */
export function formatReport ({ read, limits: { address, user, messages }, unknown }: Report): string {
  return [
    `read: ${read.lines} lines of ${read.files} logs, ${read.unreadable} not readable${read.from === null ? '' : `, from ${read.from} to ${read.to ?? ''}`}`,
    ...(read.sampled === 0 ? [] : [`      ${read.sampled} attempts are told in sums only: they count where their sum stands`]),
    ...(read.dry_run === 0 ? [] : [`      ${read.dry_run} refusals of a dry run, which let them in, and count as that`]),
    '',
    ...showLimit(`WS_IP_CONNECTIONS=${address.value} in ${address.window_s} s`, address),
    ...showLimit(`WS_USER_CONNECTIONS=${user.value}`, user),
    `WS_IP_MESSAGES=${messages.value} in ${messages.window_s} s`,
    `  limited in the log: ${messages.refused}`,
    ...showWho('connections that would be limited, at least', messages.kept_out_at_least),
    '',
    'what the log cannot tell:',
    ...unknown.map(line => `  - ${line}`),
    ''
  ].join('\n')
}
