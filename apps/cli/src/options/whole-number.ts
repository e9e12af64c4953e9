import { invalidOption } from "./invalid-option.js";

/** A whole number from `least` upwards. */
export function parseWholeNumber(option: string, text: string, least: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(value >= least)) {
    throw invalidOption(option, text, `Give a whole number, ${least} or more.`);
  }
  return value;
}
