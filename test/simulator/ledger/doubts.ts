/** Epochs whose positions were counted twice, as an older copy took the place of the data and nothing in the store tells of it. */
export class Doubts {
  private readonly epochs = new Set<string>()

  isDoubtful (_topic: string, epoch: string): boolean { return this.epochs.has(epoch) }
}
