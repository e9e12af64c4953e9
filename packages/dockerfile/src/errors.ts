import { ProvisionerError } from "@molecule-ai/core";

export type DockerfileErrorCode =
  /** More text, or more stages, than anybody writes. */
  | "ERR_DOCKERFILE_TOO_LARGE"
  /** The bytes are not text. */
  | "ERR_DOCKERFILE_BINARY"
  /** The target is no stage of this Dockerfile. */
  | "ERR_DOCKERFILE_TARGET";

/** Why a Dockerfile cannot be read at all; what is wrong inside one is told by findings. */
export class DockerfileError extends ProvisionerError<DockerfileErrorCode> {}
