import type { CheckedDownload } from "../managers/downloads.js";
import type { DockerfileInstruction } from "../reading/dockerfile.js";
import type { ProgramRun } from "../shell/run-commands.js";
import type { Expansion } from "../variables/expand.js";

/** An image or another stage, where an instruction names one. */
export interface ImageSource {
  /** As in the Dockerfile. */
  readonly written: string;
  /** Variables filled in. */
  readonly reference: string;
  readonly missing: readonly string[];
  /** The stage it means; undefined for an image. */
  readonly stage: number | undefined;
}

/** A variable set by ARG or ENV. */
export interface Assignment {
  readonly name: string;
  /** As written; undefined for an ARG without a default. */
  readonly written: string | undefined;
  /** The default or value without quotes, variables filled in. */
  readonly value: string | undefined;
}

/** An instruction with everything that had to be read where it stands. */
export interface Step {
  readonly instruction: DockerfileInstruction;
  /** Of RUN. */
  readonly programs: readonly ProgramRun[];
  /** By curl and wget among the programs. */
  readonly downloads: readonly CheckedDownload[];
  /** What `--from=` and `--mount=…,from=` name. */
  readonly sources: readonly ImageSource[];
  /** Of ARG and ENV. */
  readonly assignments: readonly Assignment[];
  /** Arguments of ADD, COPY and USER. */
  readonly args: readonly Expansion[];
}

export interface Stage {
  /** From 0. */
  readonly index: number;
  /** Lower case, as stages are compared. */
  readonly name: string | undefined;
  readonly from: DockerfileInstruction;
  readonly base: ImageSource;
  readonly platform: Expansion | undefined;
  readonly steps: readonly Step[];
}

/** Stages, and the ARGs before the first of them. */
export interface StagedDockerfile {
  readonly globals: readonly Step[];
  readonly stages: readonly Stage[];
}
