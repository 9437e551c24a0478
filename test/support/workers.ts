import { readFile } from 'node:fs/promises'

/** Which worker a process name belongs to: `<host>-<worker>-<boot>`. */
export const workerOf = (node: unknown): string => String(node).split('-').at(-2) ?? ''

/** Whether this process still is one of a supervisor's workers: ids are used again. */
export async function isWorker (pid: number): Promise<boolean> {
  return await readFile(`/proc/${pid}/environ`, 'utf8').then(text => text.includes('PORTCULLIS_WORKER='), () => false)
}

/** The process id of a worker, found by the variable that its supervisor gave it. */
export async function findWorker (supervisor: number, number: number): Promise<number> {
  const children = (await readFile(`/proc/${supervisor}/task/${supervisor}/children`, 'utf8')).trim().split(' ').map(Number)
  for (const pid of children) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    if (environment.includes(`PORTCULLIS_WORKER=${number}\0`)) return pid
  }
  throw new Error(`worker ${number} is not there`)
}
