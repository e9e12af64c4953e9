import { flagOf } from "../reading/dockerfile.js";
import type { Step } from "../stages/stage.js";
import { describeDownload, isWebUrl } from "./downloads.js";
import { pin, type Found } from "./found.js";
import { repositoryName } from "./git.js";

/** What `ADD https://… /to` and `ADD https://….git#v1 /to` fetch. */
export function readAdd({ instruction, args }: Step): Found[] {
  return addedUrls({ instruction, args }).map(({ url, checksum, isRepository }) => {
    if (!isRepository) {
      const [method, value] = checksum?.split(":") ?? [];
      return describeDownload(
        { ...url, written: url.text, commands: [] },
        method === undefined ? undefined : { method, ...(value === undefined ? {} : { value }) },
      );
    }
    const version = /#([^:]+)/.exec(url.text)?.[1];
    const isCommit = /^[0-9a-f]{40}$/.test(version ?? "") || checksum !== undefined;
    return {
      kind: "package",
      manager: "git",
      name: repositoryName(url.text),
      ...(version === undefined ? {} : { version }),
      url: url.text,
      ...pin(isCommit ? "digest" : "moving-name"),
    };
  });
}

/** A URL among the sources of an ADD. */
export interface AddedUrl {
  readonly url: Step["args"][number];
  /** `sha256:…` of `--checksum`. */
  readonly checksum: string | undefined;
  readonly isRepository: boolean;
}

export function addedUrls({ instruction, args }: Pick<Step, "instruction" | "args">): AddedUrl[] {
  if (instruction.keyword !== "ADD") return [];
  const checksum = flagOf(instruction, "checksum");
  return args.slice(0, -1).flatMap((url) => {
    const isRepository =
      /^(?:git@|ssh:\/\/|git:\/\/)/.test(url.text) ||
      /\.git(?:[#?]|$)/.test(url.text.slice(0, 2048));
    return isRepository || isWebUrl(url.text) ? [{ url, checksum, isRepository }] : [];
  });
}
