import Type from '#typebox'

const MAX_USER_ID_LENGTH = 2048

/** A user as `welcome` names it; `description` says which. */
export const userIdSchema = (description: string) => Type.String({ minLength: 1, maxLength: MAX_USER_ID_LENGTH, description, examples: ['alice'] })
