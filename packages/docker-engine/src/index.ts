export { connectEngine, type ConnectEngineOptions } from "./connect-engine.js";
export {
  createRegistryCredentials,
  type RegistryCredentials,
  type RegistryCredentialsOptions,
} from "./create-registry-credentials.js";
export type * from "./engine.js";
export {
  EngineError,
  isEngineConflict,
  isEngineError,
  isEngineNotFound,
  type EngineErrorCode,
} from "./errors.js";
export { readJsonStream, readProgressStream, type JsonStreamOptions } from "./json-stream.js";
export type { RegistryCredential } from "./registry-credential.js";
export {
  engineSettingsFromEnv,
  type EngineSettings,
  type EngineSettingsSource,
} from "./settings.js";
