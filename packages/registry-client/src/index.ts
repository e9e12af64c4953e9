export type {
  BlobSource,
  CopyOptions,
  FetchedManifest,
  ReferrerToPush,
  RegistryCallOptions,
  RegistryClient,
  Repository,
  ResolvedManifest,
} from "./client.js";
export { bytesBlob } from "./bytes-blob.js";
export type { CopyEvent } from "./copy-event.js";
export { createRegistryClient } from "./create-registry-client.js";
export type { CredentialProvider, RegistryCredential } from "./credential.js";
export { isRegistryError, RegistryError, type RegistryErrorCode } from "./errors.js";
export type { ImageConfig, ImageHistory } from "./image-config.js";
export {
  isIndexMediaType,
  MEDIA_TYPES,
  parseManifest,
  type Descriptor,
  type ParsedManifest,
} from "./manifest.js";
export type { RegistryClientOptions } from "./options.js";
