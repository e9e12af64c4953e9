import type { Symptom } from "./tool-parser.js";

export const DISK_FULL: Symptom = {
  pattern: /no space left on device|\bENOSPC\b|disk quota exceeded/i,
  hint: "The engine's disk is full: free space (molecule-provisioner gc, docker system df), then build again.",
};
