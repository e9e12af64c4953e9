import { withoutPreamble } from "../preamble.js";
import { COPY_SYMPTOMS } from "./copy.js";
import { conditionHint } from "./conditions.js";
import { DOCKERFILE_SYMPTOMS, dockerfilePlace } from "./dockerfile.js";
import { REGISTRY_SYMPTOMS } from "./registry.js";
import { COMMAND_NOT_FOUND, NOT_EXECUTABLE } from "./shell.js";
import { hintOf, type Symptom, type ToolParser } from "./tool-parser.js";

const ERROR = /^(?:ERROR|error): (.+)$/;
const FAILED = "failed to solve: ";
const STEP_FAILED = /did not complete successfully|executor failed running/i;
const RUNTIME = /runc run failed|OCI runtime .{0,40}failed|unable to start container process/i;

const SYMPTOMS: readonly Symptom[] = [
  ...COPY_SYMPTOMS,
  ...DOCKERFILE_SYMPTOMS,
  ...REGISTRY_SYMPTOMS,
  { pattern: /exec: .{1,300}: permission denied/i, hint: NOT_EXECUTABLE },
  { pattern: /executable file not found|exec: .{1,300}: no such file/i, hint: COMMAND_NOT_FOUND },
];

/** The builder itself: `ERROR: failed to solve: …`, and what the container runtime says. */
export const parseDocker: ToolParser = (lines, at) => {
  const line = (lines[at] ?? "").trim();
  const message = ERROR.exec(line)?.[1];
  const runtime = RUNTIME.test(line);
  if (message === undefined && !runtime && !STEP_FAILED.test(line)) return undefined;
  const said = short(message ?? line);
  return {
    entry: {
      tool: "docker",
      message: said,
      ...dockerfilePlace(said),
      hint: conditionHint(said) ?? hintOf(SYMPTOMS, said),
    },
    taken: 1,
    minor: STEP_FAILED.test(said),
  };
};

/** The layers of gRPC and frontend between `failed to solve: ` and the reason tell nobody anything. */
function short(message: string): string {
  return message.startsWith(`${FAILED}rpc error: `) ? FAILED + withoutPreamble(message) : message;
}
