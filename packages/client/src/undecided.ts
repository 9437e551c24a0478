/** The topic that stands for all of its kind. */
export const starOf = (topic: string): string => topic.slice(0, topic.indexOf(':') + 1) + '*'

/** What calls of `subscribe` under way ask for, and what they alone have brought: that is left again when they fail. */
export class Undecided {
  /** How many calls under way ask for it. */
  private readonly asking = new Map<string, number>()
  private readonly brought = new Set<string>()

  /** A call asks for these. */
  begin (topics: readonly string[]): void {
    for (const topic of topics) this.asking.set(topic, (this.asking.get(topic) ?? 0) + 1)
  }

  /** These are subscribed for a call under way, and nobody had them before. */
  bring (topics: readonly string[]): void {
    for (const topic of topics) this.brought.add(topic)
  }

  /** A call that asked for these has succeeded: they stay, whatever becomes of others. */
  keep (asked: readonly string[], got: readonly string[]): void {
    this.end(asked)
    for (const topic of got) this.brought.delete(topic)
  }

  /** A call that asked for these has failed. */
  end (asked: readonly string[]): void {
    for (const topic of asked) {
      const others = (this.asking.get(topic) ?? 0) - 1
      if (others > 0) this.asking.set(topic, others)
      else this.asking.delete(topic)
    }
  }

  /** What calls have brought of the kinds of these stars: one that failed leaves its ids to a call that asks for the star. */
  broughtUnder (stars: readonly string[]): string[] {
    return stars.length === 0 ? [] : [...this.brought].filter(topic => stars.includes(starOf(topic)))
  }

  /** Those of them that only failed calls have brought, and no other asks for. Each is given out once. */
  take (topics: readonly string[]): string[] {
    const taken = topics.filter(topic => this.brought.has(topic) && !this.asking.has(topic) && !this.asking.has(starOf(topic)))
    for (const topic of taken) this.brought.delete(topic)
    return taken
  }
}
