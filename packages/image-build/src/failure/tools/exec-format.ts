import type { Symptom } from "./tool-parser.js";

export const EXEC_FORMAT: Symptom = {
  pattern: /exec format error|cannot execute binary file/i,
  hint: "The program is made for another CPU: build for the engine's own platform, or install emulation (binfmt).",
};
