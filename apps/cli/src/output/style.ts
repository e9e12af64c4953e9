import { styleText } from "node:util";

/** The few looks the program uses, each with one meaning. */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
}

/** Looks that are escape sequences with `colour`, and nothing without. */
export function createStyle(colour: boolean): Style {
  const look =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      // Whether to colour was decided once, in the settings.
      colour && text !== "" ? styleText(format, text, { validateStream: false }) : text;
  return {
    good: look("green"),
    bad: look("red"),
    warn: look("yellow"),
    strong: look("bold"),
    faint: look("dim"),
  };
}
