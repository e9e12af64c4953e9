import { bodyOf, type DockerfileInstruction } from "../reading/dockerfile.js";
import { splitWords } from "../reading/words.js";

/** `NAME=value` of an ARG or ENV, the value as written. */
export interface WrittenAssignment {
  readonly name: string;
  /** Undefined for an ARG without a default. */
  readonly value: string | undefined;
}

/** What an ARG or ENV sets. `ENV NAME the rest of the line` sets one variable. */
export function readAssignments(
  instruction: DockerfileInstruction,
  escape: string,
): readonly WrittenAssignment[] {
  const body = bodyOf(instruction);
  const words = splitWords(body, escape);
  const [first] = words;
  if (instruction.keyword === "ENV" && first !== undefined && !first.text.includes("=")) {
    const value = body.slice(first.offset + first.text.length).trim();
    return value === "" ? [] : [{ name: first.text, value }];
  }
  return words.flatMap(({ text }) => {
    const equals = text.indexOf("=");
    const name = equals === -1 ? text : text.slice(0, equals);
    if (!/^[A-Za-z_][\w.-]*$/.test(name)) return [];
    return [{ name, value: equals === -1 ? undefined : text.slice(equals + 1) }];
  });
}
