export { runProcess, type ProcessOutcome, type ProcessRun } from "./run-process.js";
