/** One instruction of a build, as people look at it. */
export interface BuildLayer {
  /** `builder` of `[linux/amd64 builder 2/5]`; empty in a Dockerfile of one unnamed stage. */
  readonly stage: string;
  /** `2/5`. */
  readonly stageStep: string;
  /** Set when several platforms are built. */
  readonly platform: string | undefined;
  /** Upper case. */
  readonly instruction: string;
  /** The rest of the instruction, at most 60 characters. */
  readonly detail: string;
  /** For FROM: the image, without digest. */
  readonly image: string;
  readonly cached: boolean;
  readonly durationMs: number;
}
