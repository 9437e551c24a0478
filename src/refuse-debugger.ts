/**
 * Takes the two signals that debuggers use. Without a listener SIGUSR1 opens Node's inspector, to which anybody on this host may
 * connect and read every token, and SIGUSR2, with which log rotators knock, ends the process and all its connections.
 */
export function refuseDebugger (): void {
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {})
}
