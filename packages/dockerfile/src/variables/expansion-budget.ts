/**
 * How much text variables may still bring in, for the whole of one Dockerfile: a few lines can ask
 * for gigabytes. Once it is spent, references stay as they are written.
 */
export interface ExpansionBudget {
  left: number;
}

/** Far more than the Dockerfile itself may hold. */
const MAX_EXPANDED_CHARACTERS = 4 * 1024 * 1024;

export function createExpansionBudget(): ExpansionBudget {
  return { left: MAX_EXPANDED_CHARACTERS };
}
