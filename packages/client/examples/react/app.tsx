import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { connect } from '@portcullis/client'
import { useClientState, useTopic } from './use-topic.js'

const client = connect({
  url: '/ws',
  token: async () => await (await fetch('/token')).text()
})

/** What the back end publishes of an agent. */
interface Status { readonly state: string }

async function loadStatus (topic: string): Promise<Status> {
  return { state: await (await fetch(`/state?of=${topic}`)).text() }
}

function Agent ({ id }: { readonly id: string }) {
  const { state, error } = useTopic<Status>(client, `agent:${id}`, {
    load: loadStatus,
    apply: (now, { event, data }) => event === 'status' ? data as Status : now
  })
  if (error !== undefined) return <p role="alert">{id} cannot be shown</p>
  return <p className={id}>{id} is {state?.state ?? '…'}</p>
}

function App () {
  const { status } = useClientState(client)
  return (
    <main>
      <p id="connection">{status}</p>
      <Agent id="a1" />
      <Agent id="a1" />
    </main>
  )
}

createRoot(document.querySelector('#root') as HTMLElement).render(<StrictMode><App /></StrictMode>)
