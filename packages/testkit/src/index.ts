export {
  startBuildkitBridge,
  type BuildkitBridge,
  type BuildkitBridgeOptions,
} from "./buildkit-bridge.js";
export { callEngine, callEngineJson, type EngineAnswer, type EngineCall } from "./engine-call.js";
export {
  startFakeRegistry,
  type FakeRegistry,
  type FakeRegistryOptions,
  type FakeRegistryRequest,
  type RegistryFault,
} from "./fake-registry.js";
export {
  startFaultProxy,
  type ChaosOptions,
  type Fault,
  type FaultProxy,
  type FaultRule,
  type ProxiedRequest,
} from "./fault-proxy.js";
export { createRandom } from "./random.js";
export {
  buildScratchImage,
  busyboxImage,
  BUSYBOX_IMAGE,
  type ScratchFile,
  type ScratchImageOptions,
} from "./scratch-image.js";
export {
  findSecondEngine,
  startSecondEngine,
  type FoundSecondEngine,
  type SecondEngine,
  type SecondEngineOptions,
} from "./second-engine.js";
export { recordSkip, skipOrThrow } from "./skip.js";
export { cleanupEngine, findTestEngine, uniqueName, type FoundTestEngine } from "./test-engine.js";
export {
  encodeRegistryAuth,
  findTestRegistry,
  pushImage,
  startTestRegistry,
  type FoundTestRegistry,
  type RegistryCredentials,
  type TestRegistry,
} from "./test-registry.js";
export {
  createTestCertificates,
  findOpenssl,
  type ServerCertificate,
} from "./test-certificates.js";
export { findBuildx, findCosign, type FoundProgram } from "./test-programs.js";
export {
  findTestPostgres,
  startTestPostgres,
  type FoundTestPostgres,
  type TestPostgres,
} from "./test-postgres.js";
export { readTestFiles, type TestFile, type TestFiles } from "./git-files.js";
export type { CommitDescription, GitRepository } from "./git-repository.js";
export type { GiteaFlavour } from "./gitea-api.js";
export type { GiteaFault, GiteaPart } from "./gitea-fault.js";
export {
  startGiteaServer,
  type GiteaRequestRecord,
  type GiteaServer,
  type GiteaServerOptions,
  type TestRepository,
} from "./gitea-server.js";
