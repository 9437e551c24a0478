/** What a shell text asks for. */
export interface ShellText {
  /** Each simple command as its words, without quotes, comments and redirections; those within `$(…)` come last. */
  readonly commands: ReadonlyArray<readonly string[]>
  /** Placeholders such as `<password>` outside of quotes, which a shell takes for redirections. */
  readonly holes: readonly string[]
}

const PART = new RegExp([
  '(?<gap>\\\\\\n|[ \\t]+)', '(?<comment>#[^\\n]*)', '(?<end>[\\n;&|()]+)', '(?<hole><[A-Za-z][^<>\\n]*>)', '(?<redirect>\\d?(?:<<<|>>|>&|>|<))',
  "'(?<single>[^']*)'", '"(?<double>(?:\\\\[^]|[^"\\\\])*)"', '\\$\\((?<inner>(?:[^()"\']|"[^"]*"|\'[^\']*\')*)\\)', '\\\\(?<escaped>[^])',
  '(?<plain>[^\\s\'"\\\\;&|()<>$]+|\\$)'
].join('|'), 'g')

const INNER = /\$\(([^()]*)\)/g

/** Reads a shell text as far as the documents need it: no here-documents, no `case`. Its syntax is the shell's to judge. */
export function readShell (text: string): ShellText {
  const [commands, holes, inner]: [string[][], string[], string[]] = [[[]], [], []]
  const at = { word: null as string | null, isFile: false }
  const endWord = (): void => {
    if (at.word === null) return
    if (!at.isFile) commands.at(-1)?.push(at.word)
    Object.assign(at, { word: null, isFile: false })
  }
  for (const { groups } of text.matchAll(PART)) {
    const { gap, comment, end, hole, redirect, single, double, inner: substituted, escaped, plain } = groups ?? {}
    if ((gap ?? comment ?? end ?? redirect) !== undefined) endWord()
    if (end !== undefined) commands.push([])
    if (redirect !== undefined) at.isFile = true
    if (hole !== undefined) holes.push(hole)
    if (substituted !== undefined) inner.push(substituted)
    if (double !== undefined) inner.push(...[...double.matchAll(INNER)].map(([, command = '']) => command))
    const part = hole ?? single ?? double ?? (substituted === undefined ? undefined : '$(…)') ?? escaped ?? plain
    if (part !== undefined) at.word = (at.word ?? '') + part
  }
  endWord()
  const within = inner.map(readShell)
  return {
    commands: [...commands.filter(words => words.length > 0), ...within.flatMap(shell => shell.commands)],
    holes: [...holes, ...within.flatMap(shell => shell.holes)]
  }
}
