/** The process cannot start, for a reason that its operator can mend. The message is for people and needs no stack. */
export class CannotStart extends Error {}
