// The table of cases in packages/client/cases, played with the client in clients/python.
import t from 'tap'
import { findPython } from '../support/find-python.js'
import { readCaseFiles } from './case-files.js'
import { playCase } from './play-case.js'
import { startPythonApplication } from './python-application.js'

const { python, missing } = findPython()

t.test('the Python client behaves as the tables say', { skip: missing }, async (t) => {
  const application = startPythonApplication(t, python)
  for (const [file, cases] of readCaseFiles()) {
    await t.test(file, async (t) => {
      for (const played of cases) {
        await t.test(played.name, async (t) => {
          await application.begin()
          await playCase(t, played, application)
        })
      }
    })
  }
})
